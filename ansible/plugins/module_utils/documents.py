# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

"""Documents (policies, groups) that are to be there or not: compared by the control plane, which knows what they mean."""

from __future__ import annotations

import json

from ansible_collections.hostward.fleet.plugins.module_utils.client import field_text, segment


class Document:
    """One document of a control plane, at `/v1/NOUN/NAME`."""

    def __init__(self, control_plane, noun, name):
        self._control_plane = control_plane
        self._path = '/v1/%s/%s' % (noun, segment(name))
        self._name = name
        self._view = control_plane.find(self._path)

    def present(self, document, check_mode, query=None):
        """Result of a module after the document was applied, or would have been."""
        query = dict(query or {}, **({'dryRun': 'true'} if check_mode else {}))
        answer = self._control_plane.call('POST', '/v1/apply', document, query)['documents'][0]
        before = self._view and self._view['document']
        changed = answer['verdict'] != 'unchanged'
        if changed and not check_mode:
            self._view = self._control_plane.find(self._path)
        return {
            'changed': changed,
            'verdict': answer['verdict'],
            'revision': answer.get('revision', ''),
            'selected_nodes': answer.get('selectedNodes', 0),
            'warnings': [field_text(warning) for warning in answer['warnings']],
            'diff': difference(self._name, before, document if changed else before),
        }

    def absent(self, check_mode):
        """Result of a module after the document was deleted, or would have been."""
        there = self._view is not None
        if there and not check_mode:
            self._control_plane.call('DELETE', self._path)
        return {'changed': there, 'diff': difference(self._name, self._view and self._view['document'], None)}


def difference(name, before, after):
    """What `--diff` shows."""
    return {
        'before_header': name,
        'after_header': name,
        'before': _text(before),
        'after': _text(after),
    }


def _text(value):
    return '' if value is None else json.dumps(value, indent=2, sort_keys=True) + '\n'
