# SPDX-License-Identifier: Apache-2.0
"""What a role says of its options is what it does with them."""

from __future__ import annotations

import pathlib

import pytest
import yaml

COLLECTION = pathlib.Path(__file__).resolve().parents[2]
ROLES = sorted(path.name for path in (COLLECTION / 'roles').iterdir())
TYPES = {'str': str, 'path': str, 'bool': bool, 'int': int, 'list': list, 'dict': dict}


def read(role, *parts):
    return yaml.safe_load(COLLECTION.joinpath('roles', role, *parts).read_text(encoding='utf-8'))


@pytest.mark.parametrize('role', ROLES)
def test_every_option_has_the_default_that_its_specification_says(role):
    options = read(role, 'meta', 'argument_specs.yml')['argument_specs']['main']['options']
    assert {name: option['default'] for name, option in options.items()} == read(role, 'defaults', 'main.yml')


@pytest.mark.parametrize('role', ROLES)
def test_every_default_is_of_its_type_and_among_the_choices(role):
    for name, option in read(role, 'meta', 'argument_specs.yml')['argument_specs']['main']['options'].items():
        assert isinstance(option['default'], TYPES[option['type']]), name
        assert option['default'] in option.get('choices', [option['default']]), name
        assert option['description'], name


@pytest.mark.parametrize('role', ROLES)
def test_preflight_install_configure_and_service_are_files_of_their_own(role):
    tasks = COLLECTION / 'roles' / role / 'tasks'
    assert {path.stem for path in tasks.iterdir()} == {'main', 'preflight', 'install', 'configure', 'service'}


def every_task(role):
    for path in sorted((COLLECTION / 'roles' / role / 'tasks').iterdir()):
        for task in read(role, 'tasks', path.name):
            yield from task.get('block', [task])


@pytest.mark.parametrize('role', ROLES)
def test_a_task_that_handles_a_secret_logs_nothing(role):
    secret = ('join_token.token', 'hostward.fleet.join_token', 'hostward_agent_join_token or')
    handling = [task for task in every_task(role) if any(word in str(task) for word in secret)]
    assert all(task.get('no_log') is True for task in handling), handling
    assert handling or role != 'agent'


@pytest.mark.parametrize('role', ROLES)
def test_no_task_asks_a_shell(role):
    assert not [task['name'] for task in every_task(role) if 'ansible.builtin.shell' in task]
