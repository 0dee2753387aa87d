# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r'''
name: nodes
short_description: Hosts of a Hostward control plane
version_added: 0.1.0
description:
  - Gives every host with its labels and Groups as variables, in inventory groups made of both.
  - The file must be named C(hostward.yml), C(hostward.yaml), or end with C(.hostward.yml) or C(.hostward.yaml).
  - How hosts are reached over ssh, the control plane does not know. Say it by O(compose), or in group_vars.
options:
  plugin:
    description: Name of this plugin.
    type: str
    required: true
    choices: [hostward.fleet.nodes]
  url:
    description: Where the control plane is.
    type: str
    required: true
    env:
      - name: HOSTWARD_URL
  token:
    description: API token; one of a viewer is enough.
    type: str
    required: true
    env:
      - name: HOSTWARD_TOKEN
  ca_path:
    description: File with the CA of the control plane, in PEM.
    type: path
    env:
      - name: HOSTWARD_CA
  ca_fingerprint:
    description: SHA-256 of the CA's certificate, in hex, instead of O(ca_path).
    type: str
  request_timeout:
    description: Seconds after which one request is given up.
    type: int
    default: 30
  selector:
    description: Only hosts with these labels, for example V(env=prod).
    type: str
  phases:
    description: Only hosts in these phases.
    type: list
    elements: str
    choices: [declared, enrolled, cloned, cut-off, revoked]
    default: [declared, enrolled]
  group_prefix:
    description: What the inventory group of a Group begins with.
    type: str
    default: ''
  label_groups:
    description: Whether there is an inventory group for each label, named C(KEY_VALUE).
    type: bool
    default: true
extends_documentation_fragment:
  - constructed
  - inventory_cache
author: The Hostward authors (@hostward)
'''

EXAMPLES = r'''
# hostward.yml
plugin: hostward.fleet.nodes
url: https://hostward.example:7443
ca_fingerprint: 92827bf28c33047abd272a9dc10d6963d2c3d0de03e4d0653294db4de76530fd
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/hostward-inventory
cache_timeout: 300
compose:
  ansible_host: hostward_name ~ '.internal.example'
keyed_groups:
  - key: hostward_phase
    prefix: phase
groups:
  silent: not hostward_connected
'''

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.hostward.fleet.plugins.module_utils.client import ControlPlane, ControlPlaneError

_SUFFIXES = ('hostward.yml', 'hostward.yaml')
_CONNECTION = ('url', 'token', 'ca_path', 'ca_fingerprint', 'request_timeout')


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Hosts of a control plane as an inventory."""

    NAME = 'hostward.fleet.nodes'

    def verify_file(self, path):
        """Whether the file is meant for this plugin."""
        return super().verify_file(path) and path.endswith(_SUFFIXES)

    def parse(self, inventory, loader, path, cache=True):
        """Fills the inventory."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        for node in self._nodes(path, cache):
            if node['phase'] in self.get_option('phases'):
                self._add(node)

    def _nodes(self, path, cache):
        """From the cache where it is fresh and wanted, else asked for and kept."""
        key = self.get_cache_key(path)
        if cache and self.get_option('cache') and key in self._cache:
            return self._cache[key]
        nodes = self._asked()
        if self.get_option('cache'):
            self._cache[key] = nodes
        return nodes

    def _asked(self):
        options = {name: self.get_option(name) for name in _CONNECTION}
        # A fingerprint in the file goes before a CA in the environment.
        if options['ca_fingerprint']:
            options['ca_path'] = None
        try:
            return ControlPlane(options, {}).list('/v1/nodes', {'selector': self.get_option('selector')})
        except ControlPlaneError as error:
            raise AnsibleParserError(str(error)) from error

    def _add(self, node):
        name = node['name']
        self.inventory.add_host(name)
        variables = variables_of(node)
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)
        for group in self._groups_of(node):
            self.inventory.add_group(group)
            self.inventory.add_child(group, name)
        self._construct(name, variables)

    def _groups_of(self, node):
        raw = [self.get_option('group_prefix') + group for group in node['groups']]
        if self.get_option('label_groups'):
            raw.extend('%s_%s' % label for label in sorted(node['labels'].items()))
        return [self._sanitize_group_name(each) for each in raw]

    def _construct(self, name, variables):
        strict = self.get_option('strict')
        self._set_composite_vars(self.get_option('compose'), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option('groups'), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option('keyed_groups'), variables, name, strict=strict)


def variables_of(node):
    """Variables of a host."""
    return {
        'hostward_name': node['name'],
        'hostward_labels': node['labels'],
        'hostward_groups': node['groups'],
        'hostward_phase': node['phase'],
        'hostward_connected': node['connected'],
        'hostward_enforcer': node.get('enforcer', 'none'),
        'hostward_node_id': node.get('nodeId', ''),
    }
