#!/usr/bin/python
# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r'''
module: node
short_description: Declare, label, revoke or remove a host
version_added: 0.1.0
description:
  - Labels decide which policies select a host. A host that is declared before it enrols has its labels from the first
    contact on; they go before those of its join token.
  - Enrolling is done by the role P(hostward.fleet.agent#role) on the host itself.
options:
  name:
    description: Name of the host in the control plane.
    type: str
    required: true
  labels:
    description: Labels that the host is to have.
    type: dict
    default: {}
  purge_labels:
    description: Whether labels that are not in O(labels) are removed.
    type: bool
    default: false
  reason:
    description: Why the host is revoked. It is kept in the audit log and told to the host.
    type: str
  node_id:
    description:
      - Which machine is meant with O(state=absent), as M(hostward.fleet.agent_info) tells it on the host. Where the name is
        another machine's, nothing is removed.
      - Empty means a machine that has no identity, or none any more. Then a host that is connected is another one.
    type: str
  state:
    description:
      - V(present) declares the host where it is not known, and sets its labels.
      - V(revoked) ends its identity for good and keeps its name taken. The host goes on enforcing what it has.
      - V(absent) removes it from the control plane, which revokes it too. Run C(hostward-agent offboard) on it before.
    type: str
    choices: [present, revoked, absent]
    default: present
extends_documentation_fragment: hostward.fleet.control_plane
author: The Hostward authors (@hostward)
'''

EXAMPLES = r'''
- name: Each host of the inventory has its labels
  hostward.fleet.node:
    name: "{{ inventory_hostname }}"
    labels:
      env: prod
      tier: web
  delegate_to: localhost

- name: A stolen host counts no more
  hostward.fleet.node:
    name: web3
    state: revoked
    reason: stolen from the rack
  delegate_to: localhost

- name: The control plane forgets this host, and no other machine of that name
  hostward.fleet.node:
    name: web3
    node_id: "{{ host.node_id }}"
    state: absent
  delegate_to: localhost
'''

RETURN = r'''
node:
  description: The host as the control plane has it. Absent after O(state=absent), and in check mode for one that is not known.
  returned: when there is one
  type: dict
  sample: {"name": "web1", "phase": "enrolled", "labels": {"env": "prod"}, "groups": [], "connected": true}
'''

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostward.fleet.plugins.module_utils.client import (
    ControlPlaneError,
    connection_arguments,
    run,
    segment,
)
from ansible_collections.hostward.fleet.plugins.module_utils.documents import difference


class Node:
    """One host of the control plane."""

    def __init__(self, control_plane, module):
        self._control_plane = control_plane
        self._params = module.params
        self._check_mode = module.check_mode
        self._path = '/v1/nodes/%s' % segment(module.params['name'])
        self._before = control_plane.find(self._path)

    def reach(self):
        """Makes the host what the module's options say; the result of the module."""
        return {'present': self._present, 'revoked': self._revoked, 'absent': self._absent}[self._params['state']]()

    def _present(self):
        before = self._before['labels'] if self._before else None
        wanted = wanted_labels(before, self._params['labels'], self._params['purge_labels'])
        if before == wanted:
            return self._result(self._before, before, wanted)
        return self._result(self._write(before, wanted), before, wanted)

    def _write(self, before, wanted):
        if self._check_mode:
            return self._before
        if before is None:
            return self._control_plane.call('PUT', self._path, declaration(self._params['name'], wanted))
        changes = label_changes(before, wanted)
        return self._control_plane.call('PATCH', self._path + '/labels', {'labels': changes})

    def _revoked(self):
        if self._before is None:
            raise ControlPlaneError('name: there is no host "%s" to revoke' % self._params['name'])
        phase = self._before['phase']
        after = self._before
        if phase != 'revoked' and not self._check_mode:
            reason = {'reason': self._params['reason']} if self._params['reason'] else {}
            after = self._control_plane.call('POST', self._path + '/revoke', reason)
        return self._result(after, {'phase': phase}, {'phase': 'revoked'})

    def _absent(self):
        if self._before is not None:
            check_meant(self._before, self._params['node_id'])
            if not self._check_mode:
                self._control_plane.call('DELETE', self._path, revision=self._before['revision'])
        return self._result(None, self._before and self._before['labels'], None)

    def _result(self, view, before, after):
        changed = before != after
        node = {} if view is None else {'node': view}
        return dict(node, changed=changed, diff=difference(self._params['name'], before, after))


def wanted_labels(before, labels, purge):
    """All labels that the host is to have."""
    wanted = {key: str(value) for key, value in labels.items()}
    return wanted if purge else dict(before or {}, **wanted)


def label_changes(before, wanted):
    """What leads from one to the other: a text sets a label, None removes it."""
    changes = {key: value for key, value in wanted.items() if before.get(key) != value}
    return dict(changes, **{key: None for key in before if key not in wanted})


def check_meant(view, node_id):
    """Raises ControlPlaneError where a host is another machine than the one of this id; None: whichever it is."""
    if node_id is None or node_id == view.get('nodeId'):
        return
    if node_id:
        raise ControlPlaneError(
            'node_id: %s is %s at the control plane, and not %s; it was not removed: look at the address of the host, and at '
            'its name there (hostward get nodes)' % (view['name'], view.get('nodeId', 'no machine'), node_id)
        )
    if view['connected'] and 'nodeId' in view:
        raise ControlPlaneError(
            'node_id: %s is %s at the control plane and connected, and this machine has no identity; it was not removed: look '
            'at the address of the host; if it was offboarded a moment ago, run it again when the control plane hears it no more'
            % (view['name'], view['nodeId'])
        )


def declaration(name, labels):
    """The document of a host that has not enrolled."""
    return {
        'apiVersion': 'security.kubearmor.com/v1',
        'kind': 'KubeArmorVirtualMachine',
        'metadata': {'name': name, 'labels': labels},
    }


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec=dict(
            connection_arguments(),
            name={'type': 'str', 'required': True},
            labels={'type': 'dict', 'default': {}},
            purge_labels={'type': 'bool', 'default': False},
            reason={'type': 'str'},
            node_id={'type': 'str'},
            state={'type': 'str', 'choices': ['present', 'revoked', 'absent'], 'default': 'present'},
        ),
        supports_check_mode=True,
    )
    run(module, lambda control_plane, module: Node(control_plane, module).reach())


if __name__ == '__main__':
    main()
