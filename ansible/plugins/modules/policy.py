#!/usr/bin/python
# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r'''
module: policy
short_description: Create, change or delete a policy
version_added: 0.1.0
description:
  - Makes a KubeArmorHostPolicy what the play says. The control plane compares, so that a policy which means the same is
    unchanged, and refuses what cannot be meant, with field and remedy.
  - Run it once, on the controller. M(hostward.fleet.policy_status) waits until hosts enforce it.
options:
  name:
    description: Name of the policy to delete. With O(state=present) it is that of O(definition).
    type: str
  definition:
    description: The policy, a KubeArmorHostPolicy. Needed with O(state=present).
    type: dict
  override_protection:
    description: Whether a rule may block what keeps a host reachable. Needs the permission C(policies:privileged).
    type: bool
    default: false
  state:
    description: Whether the policy is to be there.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment: hostward.fleet.control_plane
author: The Hostward authors (@hostward)
'''

EXAMPLES = r'''
- name: Nothing runs from temporary folders
  hostward.fleet.policy:
    definition: "{{ lookup('ansible.builtin.file', 'no-exec-from-tmp.yaml') | from_yaml }}"
  run_once: true
  delegate_to: localhost

- name: The old policy is gone
  hostward.fleet.policy:
    name: no-exec-from-home
    state: absent
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
  description: Revision of the policy, for O(hostward.fleet.policy_status#module:revision). Empty in check mode if it would change.
  returned: with O(state=present)
  type: str
  sample: "42"
selected_nodes:
  description: How many hosts the policy selects.
  returned: with O(state=present)
  type: int
  sample: 2
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostward.fleet.plugins.module_utils.client import (
    ControlPlaneError,
    connection_arguments,
    run,
)
from ansible_collections.hostward.fleet.plugins.module_utils.documents import Document


def apply_policy(control_plane, module):
    """Result of the module."""
    definition = module.params['definition']
    name = module.params['name'] if definition is None else name_of(definition, module.params['name'])
    policy = Document(control_plane, 'policies', name)
    if module.params['state'] == 'absent':
        return policy.absent(module.check_mode)
    override = 'true' if module.params['override_protection'] else None
    return policy.present(definition, module.check_mode, {'overrideProtection': override})


def name_of(definition, given):
    """Name in the document, which a given one must not contradict."""
    name = (definition.get('metadata') or {}).get('name')
    if definition.get('kind') != 'KubeArmorHostPolicy' or not isinstance(name, str):
        raise ControlPlaneError('definition is no KubeArmorHostPolicy with metadata.name')
    if given not in (None, name):
        raise ControlPlaneError('name: "%s" is not that of the definition, "%s": leave it out' % (given, name))
    return name


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec=dict(
            connection_arguments(),
            name={'type': 'str'},
            definition={'type': 'dict'},
            override_protection={'type': 'bool', 'default': False},
            state={'type': 'str', 'choices': ['present', 'absent'], 'default': 'present'},
        ),
        required_if=[('state', 'present', ['definition']), ('state', 'absent', ['name', 'definition'], True)],
        supports_check_mode=True,
    )
    run(module, apply_policy)


if __name__ == '__main__':
    main()
