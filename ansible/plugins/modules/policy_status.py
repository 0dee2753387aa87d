#!/usr/bin/python
# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r'''
module: policy_status
short_description: Wait until policies are enforced
version_added: 0.1.0
description:
  - Waits until every host that a policy selects enforces every rule of it now, as its kernel says, and fails with the
    stragglers by name otherwise. A host that has decided against a rule, or has it in force while nothing comes of it, is
    not waited for.
  - In check mode nothing is waited for and nothing fails, since what a play would apply is not applied. How it stands is
    told, and a policy that is not there yet is not enforced.
options:
  names:
    description: The policies. Without any, all that select O(node), or all there are.
    type: list
    elements: str
    default: []
  node:
    description: How they stand on this host alone.
    type: str
  revision:
    description: An older revision of the policy does not count. It is that of M(hostward.fleet.policy), for one name in O(names).
    type: str
  wait:
    description: Whether to wait, and fail when it was in vain. Otherwise how it stands is only told.
    type: bool
    default: true
  timeout:
    description: After how many seconds to give up.
    type: int
    default: 120
  allow_empty:
    description: Whether a policy that selects no host counts as enforced.
    type: bool
    default: false
  given_up:
    description:
      - What to do where nothing is missing but what a host has decided against, as one that only observes, or of which
        nothing comes on it. V(warn) does not fail then.
    type: str
    choices: [fail, warn]
    default: fail
extends_documentation_fragment: hostward.fleet.control_plane
author: The Hostward authors (@hostward)
'''

EXAMPLES = r'''
- name: Every host enforces it
  hostward.fleet.policy_status:
    names: [no-exec-from-tmp]
    timeout: 60
  run_once: true
  delegate_to: localhost
'''

RETURN = r'''
enforced:
  description: Whether everything asked for is enforced.
  returned: always
  type: bool
stragglers:
  description: What is not, as policy, host, state, conditions, reasons and whether it is given up (final); a hundred hosts of each policy at most.
  returned: always
  type: list
  elements: dict
  sample: [{"policy": "no-sleep", "node": "web2", "state": "pending", "conditions": [], "reasons": []}]
more:
  description: How many hosts more there are that do not enforce it.
  returned: always
  type: int
statuses:
  description: Statuses of the policies, as the control plane tells them.
  returned: always
  type: list
  elements: dict
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
_SHOWN = 10
_KEPT = ('enforced', 'audited')
# What a host has decided about a version of a policy; waiting does not change it.
_DECIDED_AGAINST = ('unsupported', 'refused')


def wait_until_enforced(control_plane, module):
    """Result of the module. Raises ControlPlaneError with the stragglers."""
    params = module.params
    if params['revision'] and len(params['names']) != 1:
        raise ControlPlaneError('revision: is that of one policy: give exactly one of names')
    waits = params['wait'] and not module.check_mode
    deadline = time.monotonic() + (params['timeout'] if waits else 0)
    while True:
        late = time.monotonic() >= deadline
        answer = attempt(control_plane, params, late, module.check_mode)
        if answer is not None and (late or is_settled(answer)):
            break
        time.sleep(_POLL_SECONDS)
    if waits and not answer['enforced']:
        if params['given_up'] == 'fail' or not is_given_up(answer):
            module.fail_json(msg=complaint(answer, params['timeout']), **answer)
        module.warn(complaint(answer, params['timeout']))
    return dict(answer, changed=False)


def attempt(control_plane, params, late, check_mode):
    """How it stands now; None where a control plane that is away may come back in time."""
    try:
        return judged(read_statuses(control_plane, params), params)
    except ControlPlaneError as error:
        if check_mode and error.status == 404:
            return {'enforced': False, 'stragglers': [], 'more': 0, 'statuses': []}
        if late or not error.passing:
            raise
        return None


def read_statuses(control_plane, params):
    """Statuses of the policies that are asked for."""
    return [read_status(control_plane, segment(name), params['node']) for name in names_of(control_plane, params)]


def read_status(control_plane, name, node):
    """Status of a policy. A host that is asked for is among its hosts, however many there are, if it is selected."""
    status = control_plane.get('/v1/policies/%s/status' % name)
    if node is not None:
        status['nodes'] = control_plane.list('/v1/policies/%s/nodes' % name, {'node': node})
    return status


def names_of(control_plane, params):
    """Names of the policies that are asked for; paused ones only where they are named."""
    if params['names']:
        return params['names']
    path = '/v1/nodes/%s/policies' % segment(params['node']) if params['node'] else '/v1/policies'
    return [policy['name'] for policy in control_plane.list(path) if not policy['paused']]


def judged(statuses, params):
    """Whether all is enforced, and what is not."""
    stragglers = [found for status in statuses for found in stragglers_of(status, params)]
    # A status shows a hundred hosts at most, those that lack something first.
    more = 0 if params['node'] else sum(max(0, status['stragglers'] - len(status['nodes'])) for status in statuses)
    return {'enforced': not stragglers, 'stragglers': stragglers, 'more': more, 'statuses': statuses}


def stragglers_of(status, params):
    """Hosts on which a policy is not enforced; one without a name where it selects none."""
    nodes = [each for each in status['nodes'] if params['node'] in (None, each['node'])]
    if not nodes:
        # Without names the policies were those that select the host: nothing is missing where it has none.
        return [] if params['allow_empty'] or not params['names'] else [straggler(status, no_host(params))]
    if is_older(status, params['revision']):
        return [dict(straggler(status, dict(each, state='pending')), final=False) for each in nodes]
    found = [straggler(status, each) for each in nodes if not each['kept'] or status.get('halted')]
    if found or params['node'] is not None or status['enforcedEverywhere']:
        return found
    return [straggler(status, SOMEBODY)]


# Stands for hosts that may be selected, of which the control plane does not know.
SOMEBODY = {
    'node': None,
    'state': 'unknown',
    'conditions': [],
    'rules': [{'state': 'unknown', 'reason': 'the control plane does not know the whole fleet: hostward doctor says why'}],
}


def no_host(params):
    """Stands for a host that there is not."""
    why = 'the policy selects no host' if params['node'] is None else 'the policy does not select it'
    return {'node': params['node'], 'state': 'unknown', 'conditions': [], 'rules': [{'state': 'unknown', 'reason': why}]}


def is_older(status, revision):
    """Whether a control plane that lags still speaks of the version before."""
    return revision not in (None, '') and int(status['revision']) < int(revision)


def straggler(status, node):
    """One line of what is missing."""
    reasons = [rule['reason'] for rule in node['rules'] if rule.get('reason')]
    if status.get('halted'):
        reasons.append(status['halted'])
    return {
        'policy': status['policy'],
        'node': node['node'],
        'state': node['state'],
        'conditions': node['conditions'],
        'reasons': sorted(set(reasons)),
        'final': is_final(node['rules']),
    }


def is_final(rules):
    """Whether each rule is kept or given up, and some of them are given up."""
    left = [rule for rule in rules if rule['state'] not in _KEPT]
    return bool(left) and all(rule_given_up(rule) for rule in left)


def rule_given_up(rule):
    """Decided against, or in force with nothing that comes of it; as the control plane judges it."""
    return rule['state'] in _DECIDED_AGAINST or (rule['state'] == 'delivered' and 'proof' in rule)


def is_given_up(answer):
    """Whether nothing is missing but what hosts have given up."""
    return answer['more'] == 0 and all(
        each['final'] and set(each['conditions']) <= {'simulated'} for each in answer['stragglers']
    )


def is_settled(answer):
    """Enforced, or given up by every host that does not."""
    return answer['enforced'] or (answer['more'] == 0 and all(each['final'] for each in answer['stragglers']))


def complaint(answer, timeout):
    """One sentence with the stragglers by name."""
    named = [text_of(each) for each in answer['stragglers'][:_SHOWN]]
    more = len(answer['stragglers']) - len(named) + answer['more']
    if more > 0:
        named.append('and %d more' % more)
    return 'not enforced within %d s: %s' % (timeout, '; '.join(named))


def text_of(each):
    """A straggler in words."""
    state = ' but '.join([each['state']] + [' and '.join(each['conditions'])] * bool(each['conditions']))
    reasons = ' (%s)' % '; '.join(each['reasons']) if each['reasons'] else ''
    return '%s on %s is %s%s' % (each['policy'], each['node'] or 'no host', state, reasons)


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec=dict(
            connection_arguments(),
            names={'type': 'list', 'elements': 'str', 'default': []},
            node={'type': 'str'},
            revision={'type': 'str'},
            wait={'type': 'bool', 'default': True},
            timeout={'type': 'int', 'default': 120},
            allow_empty={'type': 'bool', 'default': False},
            given_up={'type': 'str', 'choices': ['fail', 'warn'], 'default': 'fail'},
        ),
        supports_check_mode=True,
    )
    run(module, wait_until_enforced)


if __name__ == '__main__':
    main()
