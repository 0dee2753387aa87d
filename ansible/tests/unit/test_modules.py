# SPDX-License-Identifier: Apache-2.0
"""Modules against a real control plane: check mode writes nothing, a second run changes nothing, errors name the field."""

from __future__ import annotations

import importlib
import types

import pytest

POLICY = {
    'apiVersion': 'security.kubearmor.com/v1',
    'kind': 'KubeArmorHostPolicy',
    'metadata': {'name': 'no-sleep'},
    'spec': {
        'nodeSelector': {'matchLabels': {'env': 'prod'}},
        'process': {'matchPaths': [{'path': '/usr/bin/sleep'}]},
        'action': 'Block',
    },
}


def lifecycle(fleet, module, first, second, gone):
    """Create, again, change, again, delete, again; a check before each tells the same and writes nothing."""
    for options, changes in ((first, True), (first, False), (second, True), (second, False), (gone, True), (gone, False)):
        foreseen = fleet(module, check=True, **options)
        done = fleet(module, **options)
        assert (foreseen.get('changed'), done.get('changed')) == (changes, changes), (options, foreseen, done)
        assert foreseen['diff'] == done['diff']
        assert (done['diff']['before'] != done['diff']['after']) == changes


def test_a_policy_is_created_changed_and_deleted_once(fleet):
    spec = dict(POLICY['spec'], severity=7)
    gone = {'name': 'no-sleep', 'state': 'absent'}
    lifecycle(fleet, 'policy', {'definition': POLICY}, {'definition': dict(POLICY, spec=spec)}, gone)


def test_a_group_is_created_changed_and_deleted_once(fleet):
    first, second = ({'name': 'web', 'selector': {'matchLabels': {'tier': tier}}} for tier in ('web', 'edge'))
    lifecycle(fleet, 'group', first, second, {'name': 'web', 'state': 'absent'})


def test_a_node_is_declared_labelled_and_removed_once(fleet):
    first, second = ({'name': 'db1', 'labels': {'tier': 'db', 'rack': rack}} for rack in (1, 2))
    lifecycle(fleet, 'node', first, second, {'name': 'db1', 'state': 'absent'})


def test_labels_of_others_stay_unless_they_are_purged(fleet):
    fleet('node', name='db2', labels={'tier': 'db', 'env': 'prod'})
    assert fleet('node', name='db2', labels={'rack': '7'})['node']['labels'] == {'tier': 'db', 'env': 'prod', 'rack': '7'}
    assert fleet('node', name='db2', labels={'tier': 'db'}, purge_labels=True)['node']['labels'] == {'tier': 'db'}
    assert [node['name'] for node in fleet('node_info', selector='tier=db')['nodes']] == ['db2']
    assert fleet('node_info', name='db2', status=True)['nodes'][0]['status']['connected'] is False
    fleet('node', name='db2', state='absent')
    assert fleet('node_info', name='db2')['nodes'] == []


def test_a_host_that_is_not_there_cannot_be_revoked(fleet):
    assert 'there is no host "ghost"' in fleet('node', name='ghost', state='revoked')['msg']


OWN, OTHER = 'ab' * 32, 'cd' * 32


@pytest.fixture
def removed(collections):
    """Asks to remove a host that the control plane has as `record`: what it was sent, or why nothing was."""
    node = importlib.import_module('ansible_collections.hostward.fleet.plugins.modules.node')

    def ask(record, node_id):
        sent = []
        view = dict({'name': 'web3', 'labels': {}, 'revision': '42', 'connected': False}, **record)
        control_plane = types.SimpleNamespace(
            find=lambda path: view, call=lambda method, path, revision=None: sent.append((method, path, revision))
        )
        params = {'name': 'web3', 'node_id': node_id, 'state': 'absent'}
        try:
            node.Node(control_plane, types.SimpleNamespace(params=params, check_mode=False)).reach()
        except node.ControlPlaneError as error:
            return str(error)
        return sent

    return ask


REMOVED = [('DELETE', '/v1/nodes/web3', '42')]


@pytest.mark.parametrize(
    'record, node_id',
    [
        ({'nodeId': OWN, 'connected': True}, OWN),
        ({'nodeId': OWN, 'connected': True}, None),
        # Offboarded by a run that did not come to its end; or never enrolled.
        ({'nodeId': OWN}, ''),
        ({}, ''),
        # Replaced by an operator a moment ago: what the one before said counts for a while.
        ({'connected': True}, ''),
    ],
)
def test_a_host_is_removed_as_what_it_was_seen_to_be(removed, record, node_id):
    assert removed(record, node_id) == REMOVED


@pytest.mark.parametrize(
    'record, node_id, message',
    [
        ({'nodeId': OTHER, 'connected': True}, OWN, 'web3 is %s at the control plane, and not %s' % (OTHER, OWN)),
        ({'nodeId': OTHER}, OWN, 'web3 is %s' % OTHER),
        # Replaced by an operator: name and labels wait for the next machine.
        ({}, OWN, 'web3 is no machine'),
        ({'nodeId': OTHER, 'connected': True}, '', 'connected, and this machine has no identity'),
    ],
)
def test_another_machine_of_that_name_is_not_removed(removed, record, node_id, message):
    assert message in removed(record, node_id)


def test_a_declared_host_is_removed_for_a_machine_that_has_no_identity_alone(fleet):
    fleet('node', name='db3')
    assert 'db3 is no machine' in fleet('node', name='db3', state='absent', node_id=OWN)['msg']
    assert fleet('node', name='db3', state='absent', node_id='')['changed']


@pytest.mark.parametrize('option', ['name', 'selector'])
def test_an_empty_choice_of_hosts_is_no_wish_for_all(fleet, option):
    result = fleet('node_info', **{option: ''})
    assert result['failed']
    assert result['msg'].startswith('%s: is empty' % option)


@pytest.mark.parametrize(
    'definition, message',
    [
        ({'kind': 'Pod', 'metadata': {'name': 'x'}}, 'no KubeArmorHostPolicy'),
        (dict(POLICY, spec=dict(POLICY['spec'], action='Maybe')), 'spec.action'),
        (dict(POLICY, spec=dict(POLICY['spec'], proces={})), 'spec.proces'),
        (dict(POLICY, metadata={'name': 'No Sleep'}), 'is no name'),
    ],
)
def test_a_policy_that_cannot_be_meant_is_refused_by_field(fleet, definition, message):
    result = fleet('policy', definition=definition)
    assert result['failed']
    assert message in result['msg']


def test_a_name_that_contradicts_the_definition_is_refused(fleet):
    assert 'is not that of the definition' in fleet('policy', name='other', definition=POLICY)['msg']


def test_a_join_token_is_made_each_time_and_deleted_once(fleet):
    assert 'join_token' not in fleet('join_token', check=True)
    made = fleet('join_token', uses=3, ttl_seconds=60, labels={'rack': 7})['join_token']
    assert (made['uses'], made['labels'], made['token'][:4]) == (3, {'rack': '7'}, 'hwj_')
    gone = {'state': 'absent', 'id': made['id']}
    assert [fleet('join_token', **gone)['changed'], fleet('join_token', **gone)['changed']] == [True, False]


@pytest.mark.parametrize('options', [{'uses': 0}, {'ttl_seconds': 0}, {'cidrs': ['nowhere']}, {'groups': ['none']}])
def test_a_join_token_that_cannot_be_is_refused(fleet, options):
    assert fleet('join_token', **options)['status'] == 400


def test_waiting_names_the_stragglers_and_ends_in_time(fleet):
    fleet('node', name='late', labels={'env': 'prod'})
    revision = fleet('policy', definition=POLICY)['revision']
    result = fleet('policy_status', names=['no-sleep'], revision=revision, timeout=1)
    assert result['failed']
    assert result['msg'].startswith('not enforced within 1 s: no-sleep on late is ')
    assert fleet('policy_status', check=True, names=['no-sleep'], revision=revision, timeout=30)['enforced'] is False
    assert 'exactly one of names' in fleet('policy_status', names=['no-sleep', 'x'], revision=revision)['msg']
    assert fleet('policy_status', node='late', wait=False)['enforced'] is False
    fleet('node', name='late', state='absent')
    assert 'selects no host' in fleet('policy_status', names=['no-sleep'], timeout=1)['msg']
    assert fleet('policy_status', names=['no-sleep'], allow_empty=True)['enforced'] is True
    fleet('policy', name='no-sleep', state='absent')
    assert 'there is no policy' in fleet('policy_status', names=['no-sleep'], timeout=1)['msg']
    checked = fleet('policy_status', check=True, names=['no-sleep'], timeout=30)
    assert [checked.get('failed'), checked['changed'], checked['enforced']] == [None, False, False]


def test_the_ca_is_replaced_step_by_step_and_a_step_twice_is_one(fleet):
    assert 'is not to be taken' in fleet('authority', step='switch')['msg']
    assert fleet('authority', check=True, step='begin')['phase'] == 'settled'
    begun = fleet('authority', step='begin')
    assert (begun['changed'], begun['phase'], begun['ca'].count('BEGIN CERTIFICATE')) == (True, 'begun', 2)
    assert fleet('authority', step='begin')['changed'] is False
    assert [fleet('authority', step='abort')['phase'], fleet('authority')['fingerprint']] == ['settled', begun['fingerprint']]
