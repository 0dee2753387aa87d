# SPDX-License-Identifier: Apache-2.0
"""A status of policies is judged as the control plane judges it."""

from __future__ import annotations

import importlib

import pytest

ENFORCED = {'state': 'enforced', 'proof': 'probe'}
IN_VAIN = {'state': 'delivered', 'proof': 'read-back', 'reason': 'it is a directory'}
WAITING = {'state': 'delivered'}
OBSERVED = {'state': 'unsupported', 'reason': 'this host observes only'}
VETOED = {'state': 'refused'}
FAILED = {'state': 'failed'}


@pytest.fixture
def module(collections):
    return importlib.import_module('ansible_collections.hostward.fleet.plugins.modules.policy_status')


def status(*rules, **over):
    """How one policy stands on one host."""
    kept = all(rule['state'] == 'enforced' for rule in rules)
    node = {'node': 'web1', 'state': rules[-1]['state'], 'kept': kept, 'conditions': [], 'rules': list(rules)}
    base = {'policy': 'p', 'revision': '7', 'selected': 1, 'stragglers': int(not kept), 'enforcedEverywhere': kept, 'nodes': [node]}
    return dict(base, **over)


def judged(module, *statuses, **params):
    """What the module makes of it."""
    return module.judged(list(statuses), dict({'node': None, 'names': ['p'], 'allow_empty': False, 'revision': None}, **params))


@pytest.mark.parametrize(
    'rules, settled, given_up',
    [
        ([ENFORCED], True, True),
        ([ENFORCED, OBSERVED], True, True),
        ([VETOED, IN_VAIN], True, True),
        ([ENFORCED, WAITING], False, False),
        ([OBSERVED, WAITING], False, False),
        ([OBSERVED, FAILED], False, False),
    ],
)
def test_what_a_host_has_given_up_is_not_waited_for(module, rules, settled, given_up):
    answer = judged(module, status(*rules))
    assert [module.is_settled(answer), module.is_given_up(answer)] == [settled, given_up]


def test_an_older_revision_decides_nothing(module):
    assert module.is_settled(judged(module, status(OBSERVED), revision='8')) is False


def test_a_host_that_is_stale_besides_has_given_up_nothing(module):
    answer = judged(module, status(OBSERVED, nodes=[dict(status(OBSERVED)['nodes'][0], conditions=['stale'])]))
    assert module.is_given_up(answer) is False


def test_a_control_plane_that_does_not_know_the_whole_fleet_vouches_for_nothing(module):
    answer = judged(module, status(ENFORCED, enforcedEverywhere=False))
    assert [answer['enforced'], module.is_settled(answer)] == [False, False]
    assert 'does not know the whole fleet' in module.complaint(answer, 1)
    assert judged(module, status(ENFORCED, enforcedEverywhere=False), node='web1')['enforced'] is True
