# SPDX-License-Identifier: Apache-2.0
"""What a playbook decides by what a host says of itself, with a folder in the place of the host's."""

from __future__ import annotations

import os
import pathlib
import subprocess

import pytest
import yaml

PLAYBOOKS = pathlib.Path(__file__).resolve().parents[2] / 'playbooks'
LOOKS = (
    'Wait until the host has judged its new version',
    'Look which version is installed',
    'Look whether it went back',
)
WORD = '{"from":"0.2.0","to":"0.1.0","reason":"the agent does not report"}'


@pytest.fixture
def upgraded(tmp_path):
    """The looks of the playbook upgrade at a host where nothing was installed: `upgraded('rolled-back.json', …)`."""

    def run(name=None, text='', check=False, installed='0.2.0'):
        (play,) = yaml.safe_load(PLAYBOOKS.joinpath('upgrade.yml').read_text(encoding='utf-8'))
        tasks = [task for task in play['tasks'] if task['name'] in LOOKS]
        assert [task['name'] for task in tasks] == list(LOOKS)
        for task in tasks:
            task.pop('become', None)
        dpkg_query = tmp_path / 'dpkg-query'
        dpkg_query.write_text('#!/bin/sh\nprintf %s\n' % installed, encoding='utf-8')
        dpkg_query.chmod(0o755)
        skipped = {'hostward_agent_install': {'changed': False, 'skipped': True}}
        looks = [{'hosts': 'localhost', 'connection': 'local', 'gather_facts': False, 'vars': skipped, 'tasks': tasks}]
        moved = yaml.safe_dump(looks).replace('/var/lib/hostward/upgrade', str(tmp_path)).replace('timeout: 2100', 'timeout: 1')
        file = tmp_path / 'looks.yml'
        file.write_text(moved, encoding='utf-8')
        if name is not None:
            (tmp_path / name).write_text(text, encoding='utf-8')
        return subprocess.run(
            ['ansible-playbook', '-i', 'localhost,', str(file)] + (['--check'] if check else []),
            env=dict(
                os.environ,
                PATH='%s:%s' % (tmp_path, os.environ['PATH']),
                ANSIBLE_LOCALHOST_WARNING='0',
                ANSIBLE_HOME=str(tmp_path / 'ansible'),
            ),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def test_an_upgrade_passes_no_host_that_went_back_though_it_installs_nothing_there(upgraded):
    ended = upgraded('rolled-back.json', WORD)
    assert (ended.returncode, 'the agent does not report' in ended.stdout) == (2, True), ended.stdout


def test_an_upgrade_passes_no_host_that_is_still_judged_though_it_installs_nothing_there(upgraded):
    ended = upgraded('pending', '')
    assert (ended.returncode, LOOKS[1] in ended.stdout) == (2, False), ended.stdout


def test_an_upgrade_passes_a_host_that_went_back_from_another_version_than_it_has(upgraded):
    ended = upgraded('rolled-back.json', WORD, installed='0.3.0')
    assert (ended.returncode, 'changed=0' in ended.stdout) == (0, True), ended.stdout


def test_an_upgrade_changes_nothing_on_a_host_that_has_the_version_and_is_well(upgraded):
    ended = upgraded()
    assert (ended.returncode, 'changed=0' in ended.stdout) == (0, True), ended.stdout


def test_a_check_of_an_upgrade_looks_at_no_host(upgraded):
    assert upgraded('rolled-back.json', '{}', check=True).returncode == 0


def test_an_offboarded_host_is_removed_as_the_machine_that_it_was_before_and_none_is_touched_that_is_another():
    (play,) = yaml.safe_load(PLAYBOOKS.joinpath('offboard.yml').read_text(encoding='utf-8'))
    looked, compared, ended, _, forgotten = [task for task in play['tasks'] if 'ansible.builtin.assert' not in task]
    assert 'hostward.fleet.agent_info' in looked
    assert (compared['check_mode'], compared['hostward.fleet.node']) == (True, forgotten['hostward.fleet.node'])
    assert 'offboard' in ended['ansible.builtin.command']['argv']
    assert forgotten['hostward.fleet.node']['node_id'] == '{{ %s.node_id }}' % looked['register']
