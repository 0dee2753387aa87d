#!/usr/bin/python
# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r'''
module: agent_info
short_description: What of Hostward is on a host
version_added: 0.1.0
description:
  - Tells in one call which distribution the host has, which package of the agent is installed, and whether it has enrolled.
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
package_version:
  description: Version of the package that is installed whole, otherwise empty.
  returned: success
  type: str
  sample: 0.1.0
enrolled:
  description: Whether the host has an identity.
  returned: success
  type: bool
node_id:
  description: The host's id, empty before it enrols.
  returned: success
  type: str
'''

import os

from ansible.module_utils.basic import AnsibleModule

_OS_RELEASE = ('/etc/os-release', '/usr/lib/os-release')
_NODE_ID = '/var/lib/hostward/trust/node-id'


def read(path):
    """Text of a file, empty where there is none."""
    try:
        with open(path, encoding='utf-8') as file:
            return file.read()
    except FileNotFoundError:
        return ''


def os_release(text):
    """Values of os-release by name, without quotes."""
    pairs = [line.split('=', 1) for line in text.splitlines() if '=' in line and not line.startswith('#')]
    return {name.strip(): value.strip().strip('"\'') for name, value in pairs}


def installed_version(answer):
    """Version that dpkg-query tells by `${Status} ${Version}`; one that was broken off counts as none."""
    words = answer.split()
    return words[3] if words[:3] == ['install', 'ok', 'installed'] and len(words) == 4 else ''


def main():
    """Entry point."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    release = os_release(next(filter(None, map(read, _OS_RELEASE)), ''))
    answer = ''
    if module.get_bin_path('dpkg-query'):
        query = ['dpkg-query', '--show', '--showformat=${Status} ${Version}', 'hostward-agent']
        answer = module.run_command(query, environ_update={'LC_ALL': 'C'})[1]
    module.exit_json(
        changed=False,
        distribution=release.get('ID', 'unknown'),
        distribution_version=release.get('VERSION_ID', '0'),
        package_version=installed_version(answer),
        enrolled=os.path.exists(_NODE_ID),
        node_id=read(_NODE_ID).strip(),
    )


if __name__ == '__main__':
    main()
