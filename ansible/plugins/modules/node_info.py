#!/usr/bin/python
# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r'''
module: node_info
short_description: What the control plane knows of hosts
version_added: 0.1.0
description:
  - Gives hosts with labels, Groups and connection, and what each really enforces if asked for.
  - A host that is not known is no error, only missing in the answer.
options:
  name:
    description: The host of this name alone.
    type: str
  selector:
    description: Hosts with these labels, for example V(env=prod,tier in (web\, edge)).
    type: str
  wait:
    description:
      - How many seconds to wait until the host O(name) is heard. It fails after that.
      - With V(0) it is not waited for.
    type: int
    default: 0
  newer_than:
    description: Only a report counts as being heard that is newer than this one, RV(nodes[].asOf) of an earlier answer.
    type: str
  status:
    description: Whether what each host really does is asked for too. One request a host.
    type: bool
    default: false
extends_documentation_fragment: hostward.fleet.control_plane
author: The Hostward authors (@hostward)
'''

EXAMPLES = r'''
- name: The control plane hears the host
  hostward.fleet.node_info:
    name: "{{ inventory_hostname }}"
    wait: 60
  delegate_to: localhost

- name: Hosts of production, and what they enforce
  hostward.fleet.node_info:
    selector: env=prod
    status: true
  delegate_to: localhost
  run_once: true
  register: production
'''

RETURN = r'''
nodes:
  description: The hosts, by name. RV(nodes[].status) is there with O(status=true).
  returned: success
  type: list
  elements: dict
  sample: [{"name": "web1", "phase": "enrolled", "labels": {"env": "prod"}, "groups": ["web"], "connected": true}]
'''

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostward.fleet.plugins.module_utils.client import (
    ControlPlaneError,
    connection_arguments,
    run,
    segment,
)

_POLL_SECONDS = 0.5


def read_nodes(control_plane, module):
    """Result of the module."""
    for option in ('name', 'selector'):
        if module.params[option] == '':
            raise ControlPlaneError('%s: is empty, as of a variable that is not set; leave it out (omit) for every host' % option)
    if module.params['wait'] > 0:
        if not module.params['name']:
            raise ControlPlaneError('wait: needs name, the host to wait for')
        nodes = [heard(control_plane, module.params)]
    elif module.params['name']:
        nodes = named(control_plane, module.params['name'])
    else:
        nodes = control_plane.list('/v1/nodes', {'selector': module.params['selector']})
    if module.params['status']:
        nodes = [dict(node, status=control_plane.get(path_of(node['name']) + '/status')) for node in nodes]
    return {'changed': False, 'nodes': nodes}


def heard(control_plane, params):
    """The host, once the control plane hears it. Raises ControlPlaneError after the deadline."""
    deadline = time.monotonic() + params['wait']
    while True:
        nodes = attempt(control_plane, params['name'], time.monotonic() >= deadline)
        if nodes and nodes[0]['connected'] and nodes[0].get('asOf', '') > (params['newer_than'] or ''):
            return nodes[0]
        if time.monotonic() >= deadline:
            raise ControlPlaneError(silence(nodes, params))
        time.sleep(_POLL_SECONDS)


def attempt(control_plane, name, late):
    """The host of a name, or none, also where a control plane that is away may come back in time."""
    try:
        return named(control_plane, name)
    except ControlPlaneError as error:
        if late or not error.passing:
            raise
        return []


def silence(nodes, params):
    """What was waited for in vain."""
    last = nodes[0].get('asOf', 'never') if nodes else 'never, and it has not enrolled'
    return 'wait: %s was not heard within %d s (last: %s): journalctl -u hostward-agent on it says why' % (
        params['name'],
        params['wait'],
        last,
    )


def named(control_plane, name):
    """The host of a name, or none."""
    found = control_plane.find(path_of(name))
    return [] if found is None else [found]


def path_of(name):
    """Path of a host."""
    return '/v1/nodes/%s' % segment(name)


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec=dict(
            connection_arguments(),
            name={'type': 'str'},
            selector={'type': 'str'},
            wait={'type': 'int', 'default': 0},
            newer_than={'type': 'str'},
            status={'type': 'bool', 'default': False},
        ),
        mutually_exclusive=[('name', 'selector')],
        required_by={'newer_than': ['name']},
        supports_check_mode=True,
    )
    run(module, read_nodes)


if __name__ == '__main__':
    main()
