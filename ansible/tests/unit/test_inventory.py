# SPDX-License-Identifier: Apache-2.0
"""The inventory has the control plane's hosts, in groups of labels and Groups, and keeps them where it may."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

CONFIGURATION = """plugin: hostward.fleet.nodes
cache: %s
cache_plugin: ansible.builtin.jsonfile
cache_connection: %s
compose:
  ansible_host: hostward_name ~ '.internal'
keyed_groups:
  - {key: hostward_phase, prefix: phase}
"""


@pytest.fixture
def inventory(collections, tmp_path):
    """Asks for the inventory: `inventory(cache=True)` gives hosts by group."""

    def run(cache=False, name='hostward.yml', **environment):
        file = tmp_path / name
        file.write_text(CONFIGURATION % (str(cache).lower(), tmp_path / 'cache'), encoding='utf-8')
        ended = subprocess.run(
            ['ansible-inventory', '-i', str(file), '--list'],
            env=dict(os.environ, ANSIBLE_COLLECTIONS_PATH=str(collections), ANSIBLE_INVENTORY_UNPARSED_FAILED='1', **environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return json.loads(ended.stdout) if ended.returncode == 0 else ended.stderr

    return run


def test_hosts_are_in_groups_of_labels_and_groups_and_the_cache_keeps_them(fleet, inventory):
    fleet('group', name='edge-web', selector={'matchLabels': {'tier': 'web'}})
    fleet('node', name='web1', labels={'tier': 'web'})
    found = inventory(cache=True)
    assert found['edge_web']['hosts'] == found['tier_web']['hosts'] == found['phase_declared']['hosts'] == ['web1']
    assert found['_meta']['hostvars']['web1']['ansible_host']['__ansible_unsafe'] == 'web1.internal'
    fleet('node', name='web1', state='absent')
    fleet('group', name='edge-web', state='absent')
    assert inventory(cache=True)['edge_web']['hosts'] == ['web1']
    assert 'edge_web' not in inventory()


def test_a_file_of_another_name_is_left_to_others(inventory):
    assert 'hostward.fleet.nodes' in inventory(name='other.yml')


def test_a_token_that_does_not_count_is_an_error_with_a_remedy(inventory):
    assert 'check token' in inventory(HOSTWARD_TOKEN='hwa_wrong')
