# SPDX-License-Identifier: Apache-2.0
"""A collection path for the modules, and the real control plane that HOSTWARD_URL, HOSTWARD_TOKEN and HOSTWARD_CA name."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

COLLECTION = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def collections(tmp_path_factory):
    """Folder below which Python and Ansible find the collection."""
    root = tmp_path_factory.mktemp('collections')
    namespace = root / 'ansible_collections' / 'hostward'
    namespace.mkdir(parents=True)
    (namespace / 'fleet').symlink_to(COLLECTION)
    sys.path.insert(0, str(root))
    return root


@pytest.fixture
def fleet(collections):
    """Runs a module against the control plane: `fleet('group', check=True, name='web')` gives its result."""
    if not os.environ.get('HOSTWARD_URL'):
        pytest.fail('HOSTWARD_URL is not set: run these tests by `./hostward test ansible`, which starts a control plane')

    def run(module, check=False, environment=None, **options):
        arguments = dict(options, _ansible_check_mode=check, _ansible_diff=True)
        payload = json.dumps({'ANSIBLE_MODULE_ARGS': arguments})
        ended = subprocess.run(
            [sys.executable, '-m', 'ansible_collections.hostward.fleet.plugins.modules.%s' % module],
            input=payload,
            env=dict(os.environ, PYTHONPATH=str(collections), PYTHONDONTWRITEBYTECODE='1', **(environment or {})),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.stdout, ended.stderr
        return json.loads(ended.stdout)

    return run
