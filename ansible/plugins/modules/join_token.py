#!/usr/bin/python
# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r'''
module: join_token
short_description: Make or delete a join token
version_added: 0.1.0
description:
  - Makes the secret by which hosts enrol. Each run makes another one, since it is shown once and kept nowhere; make one
    on the controller for all hosts of a run, and only where a host needs it.
  - Set C(no_log) on the task. The token goes to hosts by standard input, as the role P(hostward.fleet.agent#role) does.
options:
  uses:
    description: How many hosts may enrol by it.
    type: int
    default: 1
  ttl_seconds:
    description: After how many seconds it ends, at most 90 days.
    type: int
    default: 3600
  labels:
    description: Labels of hosts that enrol by it.
    type: dict
    default: {}
  cidrs:
    description: Networks from which hosts may enrol by it. Empty means any.
    type: list
    elements: str
    default: []
  groups:
    description: Groups that must select each such host.
    type: list
    elements: str
    default: []
  attest:
    description: What a host must prove beside.
    type: str
    choices: [ssh-host-key]
  id:
    description: Which one to delete. Needed with O(state=absent).
    type: str
  state:
    description: Whether to make one or to delete the one named by O(id). Hosts that enrolled by it stay.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment: hostward.fleet.control_plane
author: The Hostward authors (@hostward)
'''

EXAMPLES = r'''
- name: One token for the hosts of this run
  hostward.fleet.join_token:
    uses: "{{ ansible_play_hosts | length }}"
    ttl_seconds: 900
  delegate_to: localhost
  run_once: true
  no_log: true
  register: join
'''

RETURN = r'''
join_token:
  description: What was made. Absent in check mode.
  returned: with O(state=present)
  type: dict
  contains:
    id:
      description: Its name, no secret.
      type: str
    token:
      description: The secret.
      type: str
    expiresAt:
      description: When it ends, ISO 8601.
      type: str
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostward.fleet.plugins.module_utils.client import connection_arguments, run, segment


def apply_join_token(control_plane, module):
    """Result of the module."""
    if module.params['state'] == 'absent':
        return absent(control_plane, module)
    if module.check_mode:
        return {'changed': True}
    return {'changed': True, 'join_token': control_plane.call('POST', '/v1/join-tokens', wanted(module.params))}


def absent(control_plane, module):
    """Deletes the one of this id where it is there."""
    path = '/v1/join-tokens/%s' % segment(module.params['id'])
    there = control_plane.find(path) is not None
    if there and not module.check_mode:
        control_plane.call('DELETE', path)
    return {'changed': there}


def wanted(params):
    """What the control plane is asked for."""
    body = {name: params[name] for name in ('uses', 'labels', 'cidrs', 'groups')}
    body['labels'] = {key: str(value) for key, value in params['labels'].items()}
    body['ttlMs'] = params['ttl_seconds'] * 1000
    return dict(body, attest=params['attest']) if params['attest'] else body


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec=dict(
            connection_arguments(),
            uses={'type': 'int', 'default': 1},
            ttl_seconds={'type': 'int', 'default': 3600},
            labels={'type': 'dict', 'default': {}},
            cidrs={'type': 'list', 'elements': 'str', 'default': []},
            groups={'type': 'list', 'elements': 'str', 'default': []},
            attest={'type': 'str', 'choices': ['ssh-host-key']},
            id={'type': 'str'},
            state={'type': 'str', 'choices': ['present', 'absent'], 'default': 'present'},
        ),
        required_if=[('state', 'absent', ['id'])],
        supports_check_mode=True,
    )
    run(module, apply_join_token)


if __name__ == '__main__':
    main()
