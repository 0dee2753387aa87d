#!/usr/bin/python
# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r'''
module: agent_info
short_description: What of Hostward is on a host
version_added: 0.1.0
description:
  - Tells in one call which distribution the host has, which packages are installed, whether it has enrolled, which units
    run, and what its configuration is.
  - It runs on the host and asks no control plane.
options: {}
author: The Hostward authors (@hostward)
'''

EXAMPLES = r'''
- name: Look at the host
  hostward.fleet.agent_info:
  register: host
'''

RETURN = r'''
distribution:
  description: C(ID) of os-release.
  returned: success
  type: str
  sample: debian
distribution_version:
  description: C(VERSION_ID) of os-release, V(0) where there is none.
  returned: success
  type: str
  sample: "13"
systemd:
  description: Whether systemd runs the host.
  returned: success
  type: bool
package_version:
  description: Version of the agent's package that is installed whole, otherwise empty.
  returned: success
  type: str
  sample: 0.1.0
control_plane_version:
  description: The same of the control plane's package.
  returned: success
  type: str
  sample: 0.1.0
units:
  description: Units of Hostward that are enabled and run.
  returned: success
  type: list
  elements: str
  sample: [hostward-agent.service, hostward-sensor.service]
enrolled:
  description: Whether the host has an identity.
  returned: success
  type: bool
autonomous:
  description: Whether it was offboarded and goes on enforcing, without an agent.
  returned: success
  type: bool
node_id:
  description: The host's id, empty before it enrols.
  returned: success
  type: str
config_sha256:
  description:
    - SHA-256 of F(/etc/hostward/agent.yaml) in hexadecimal.
    - Empty where there is none, or where it is not a file of root's with the mode 0644.
  returned: success
  type: str
'''

import hashlib
import os
import stat

from ansible.module_utils.basic import AnsibleModule

_OS_RELEASE = ('/etc/os-release', '/usr/lib/os-release')
_NODE_ID = '/var/lib/hostward/trust/node-id'
_KEYS = '/var/lib/hostward/agent'
_CONFIG = '/etc/hostward/agent.yaml'
_PACKAGES = ('hostward-agent', 'hostward')
_FORMAT = '--showformat=${Package} ${Status} ${Version}\\n'
_UNITS = (
    'hostward-sensor.service',
    'hostward-agent.service',
    'hostward-up.service',
    'hostward-etcd.service',
    'hostward-redis.service',
    'hostward-redis-events.service',
    'hostward-redis-sentinel.service',
    'hostward-control-plane.service',
    'hostward-certificates.timer',
)


def read(path):
    """Text of a file, empty where there is none."""
    try:
        with open(path, encoding='utf-8') as file:
            return file.read()
    except FileNotFoundError:
        return ''


def is_empty(folder):
    """Whether nothing is in a folder, or there is none; of one that only root may read it is not known, and False."""
    try:
        return not os.listdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def sha256_of(path, owner=(0, 0)):
    """Digest of a file that is as the role leaves it, empty for everything else."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), 'rb') as file:
            held = os.fstat(file.fileno())
            left = stat.S_ISREG(held.st_mode) and stat.S_IMODE(held.st_mode) == 0o644
            if not left or (held.st_uid, held.st_gid) != owner:
                return ''
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return ''


def os_release(text):
    """Values of os-release by name, without quotes."""
    pairs = [line.split('=', 1) for line in text.splitlines() if '=' in line and not line.startswith('#')]
    return {name.strip(): value.strip().strip('"\'') for name, value in pairs}


def installed_versions(answer):
    """Version by package of what dpkg-query tells by _FORMAT; one that was broken off counts as none."""
    rows = [line.split() for line in answer.splitlines()]
    return {row[0]: row[4] for row in rows if row[1:4] == ['install', 'ok', 'installed'] and len(row) == 5}


def running_units(answer):
    """Ids of units that systemctl show tells to be enabled and active."""
    units = [dict(line.split('=', 1) for line in part.splitlines() if '=' in line) for part in answer.split('\n\n')]
    return [
        unit['Id'] for unit in units
        if unit.get('ActiveState') == 'active' and unit.get('UnitFileState') == 'enabled'
    ]


def main():
    """Entry point."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    release = os_release(next(filter(None, map(read, _OS_RELEASE)), ''))
    systemd = os.path.isdir('/run/systemd/system')
    packages, units = '', ''
    if module.get_bin_path('dpkg-query'):
        packages = module.run_command(['dpkg-query', '--show', _FORMAT, *_PACKAGES], environ_update={'LC_ALL': 'C'})[1]
    if systemd:
        units = module.run_command(['systemctl', 'show', '--property=Id,ActiveState,UnitFileState', *_UNITS])[1]
    versions = installed_versions(packages)
    module.exit_json(
        changed=False,
        distribution=release.get('ID', 'unknown'),
        distribution_version=release.get('VERSION_ID', '0'),
        systemd=systemd,
        package_version=versions.get('hostward-agent', ''),
        control_plane_version=versions.get('hostward', ''),
        units=running_units(units),
        enrolled=os.path.exists(_NODE_ID),
        autonomous=os.path.exists(_NODE_ID) and is_empty(_KEYS),
        node_id=read(_NODE_ID).strip(),
        config_sha256=sha256_of(_CONFIG),
    )


if __name__ == '__main__':
    main()
