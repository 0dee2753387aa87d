#!/usr/bin/python
# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r'''
module: group
short_description: Create, change or delete a Group
version_added: 0.1.0
description:
  - A Group is a named selector over labels of hosts. Policies target it with the label C(hostward.io/group).
  - Run it once, on the controller.
options:
  name:
    description: Name of the Group.
    type: str
    required: true
  selector:
    description: What its members have in common, as C(matchLabels) and C(matchExpressions). Needed with O(state=present).
    type: dict
  state:
    description: Whether the Group is to be there.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment: hostward.fleet.control_plane
author: The Hostward authors (@hostward)
'''

EXAMPLES = r'''
- name: Web servers of production are a Group
  hostward.fleet.group:
    name: web-prod
    selector:
      matchLabels: {env: prod}
      matchExpressions:
        - {key: tier, operator: In, values: [web, edge]}
  run_once: true
  delegate_to: localhost
'''

RETURN = r'''
verdict:
  description: V(created), V(configured) or V(unchanged).
  returned: with O(state=present)
  type: str
  sample: created
revision:
  description: Revision of the Group. Empty in check mode if it would change.
  returned: with O(state=present)
  type: str
  sample: "42"
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostward.fleet.plugins.module_utils.client import connection_arguments, run
from ansible_collections.hostward.fleet.plugins.module_utils.documents import Document


def apply_group(control_plane, module):
    """Result of the module."""
    name = module.params['name']
    group = Document(control_plane, 'groups', name)
    if module.params['state'] == 'absent':
        return group.absent(module.check_mode)
    document = {
        'apiVersion': 'hostward.io/v1',
        'kind': 'Group',
        'metadata': {'name': name},
        'spec': {'selector': module.params['selector']},
    }
    result = group.present(document, module.check_mode)
    result.pop('selected_nodes')
    return result


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec=dict(
            connection_arguments(),
            name={'type': 'str', 'required': True},
            selector={'type': 'dict'},
            state={'type': 'str', 'choices': ['present', 'absent'], 'default': 'present'},
        ),
        required_if=[('state', 'present', ['selector'])],
        supports_check_mode=True,
    )
    run(module, apply_group)


if __name__ == '__main__':
    main()
