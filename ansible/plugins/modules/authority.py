#!/usr/bin/python
# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r'''
module: authority
short_description: Replace the CA that hosts pin, step by step
version_added: 0.1.0
description:
  - Begins, switches, finishes or takes back the replacement of the CA of control plane and hosts. With the switch every
    host gets a new certificate. Nothing that is connected is cut off.
  - A step that was taken already changes nothing, so that a play can be run again after it was broken off.
options:
  step:
    description:
      - V(begin) makes the next CA and has it trusted beside the one that signs.
      - V(switch) lets it sign. Every host must trust it, which O(timeout) waits for.
      - V(finish) ends the trust in the CA before.
      - V(abort) takes back what has only begun.
      - V(status) only tells.
    type: str
    choices: [status, begin, switch, finish, abort]
    default: status
  timeout:
    description: How many seconds hosts have to follow before a switch or finish is given up, with those that are behind.
    type: int
    default: 1200
extends_documentation_fragment: hostward.fleet.control_plane
author: The Hostward authors (@hostward)
'''

EXAMPLES = r'''
- name: The next CA is trusted too
  hostward.fleet.authority:
    step: begin
  run_once: true
  delegate_to: localhost
  register: authority
'''

RETURN = r'''
phase:
  description: V(settled), V(begun) or V(switched).
  returned: success
  type: str
fingerprint:
  description: SHA-256 of the CA that signs, in hex, which hosts pin that enrol now.
  returned: success
  type: str
ca:
  description: All CAs that are trusted, PEM, for O(hostward.fleet.policy#module:ca_path).
  returned: success
  type: str
behind:
  description: Hosts that have not followed, at most a hundred.
  returned: success
  type: list
  elements: str
'''

import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hostward.fleet.plugins.module_utils.client import (
    ControlPlaneError,
    connection_arguments,
    run,
)

_POLL_SECONDS = 1
_PATH = '/v1/authorities'
# In which phase each step is to be taken; in another one it was taken before, or cannot be.
_FROM = {'begin': 'settled', 'switch': 'begun', 'finish': 'switched', 'abort': 'begun'}
_TAKEN = {'begin': ('begun', 'switched'), 'switch': ('switched',), 'finish': ('settled',), 'abort': ('settled',)}


def take_step(control_plane, module):
    """Result of the module."""
    step = module.params['step']
    view = control_plane.get(_PATH)
    if step == 'status' or view['phase'] in _TAKEN[step]:
        return result(view, False)
    if view['phase'] != _FROM[step]:
        raise ControlPlaneError('step: "%s" is not to be taken while the replacement is %s' % (step, view['phase']))
    if module.check_mode:
        return result(view, True)
    if step in ('switch', 'finish'):
        followed(control_plane, module.params['timeout'])
    return result(control_plane.call('POST', '%s/%s' % (_PATH, step), {}), True)


def followed(control_plane, timeout_seconds):
    """Waits until nothing hinders the next step. Raises ControlPlaneError with who is behind."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        view = attempt(control_plane)
        if view and view['hostsBehind'] == 0 and (view['phase'] != 'switched' or view['renewed']):
            return
        if time.monotonic() >= deadline:
            raise ControlPlaneError(not_followed(view, timeout_seconds))
        time.sleep(_POLL_SECONDS)


def attempt(control_plane):
    """How far it is; None where the control plane may be asked again."""
    try:
        return control_plane.get(_PATH)
    except ControlPlaneError as error:
        if error.passing:
            return None
        raise


def not_followed(view, timeout_seconds):
    """What was waited for in vain."""
    if view is None:
        return 'timeout: the control plane did not answer within %d s' % timeout_seconds
    who = ', '.join(view['behind']) or 'certificates of the control plane'
    return 'timeout: not within %d s: %s; revoke hosts that are gone, or start them' % (timeout_seconds, who)


def result(view, changed):
    """What is told of the CAs."""
    issuing = [each['fingerprint'] for each in view['authorities'] if each['role'] == 'issuing']
    return {
        'changed': changed,
        'phase': view['phase'],
        'fingerprint': issuing[0],
        'ca': ''.join(each['certificate'].rstrip() + '\n' for each in view['authorities']),
        'behind': view['behind'],
    }


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec=dict(
            connection_arguments(),
            step={
                'type': 'str',
                'choices': ['status', 'begin', 'switch', 'finish', 'abort'],
                'default': 'status',
            },
            timeout={'type': 'int', 'default': 1200},
        ),
        supports_check_mode=True,
    )
    run(module, take_step)


if __name__ == '__main__':
    main()
