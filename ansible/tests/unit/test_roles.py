# SPDX-License-Identifier: Apache-2.0
"""What a role says of its options is what it does with them."""

from __future__ import annotations

import os
import pathlib
import subprocess

import jinja2
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
def test_what_a_task_changed_is_restarted_also_where_a_later_one_fails(role):
    plays = [yaml.safe_load(path.read_text(encoding='utf-8'))[0] for path in sorted((COLLECTION / 'playbooks').iterdir())]
    running = [play for play in plays if "'hostward.fleet.%s'" % role in str(play['tasks'])]
    assert running and any('notify' in task for task in every_task(role))
    assert all(play.get('force_handlers') for play in running), role


def test_an_agent_is_configured_after_all_that_may_be_refused_before_its_restart():
    names = [task['name'] for task in read('agent', 'tasks', 'configure.yml')]
    assert names[:3] == ['Set labels', 'Make one join token for the hosts of this run', 'Write the configuration']


READING = ('hostward.fleet.agent_info', 'hostward.fleet.node_info', 'ansible.builtin.assert')
IS_THAT_MACHINE = 'This host is the machine of that name'


def test_nothing_is_written_before_a_host_is_seen_to_be_the_machine_of_its_name():
    names = [task['name'] for task in read('agent', 'tasks', 'preflight.yml')]
    before = read('agent', 'tasks', 'preflight.yml')[: names.index(IS_THAT_MACHINE)]
    assert all(any(module in task for module in READING) for task in before), before
    parts = [task['ansible.builtin.import_tasks'] for task in read('agent', 'tasks', 'main.yml')[0]['block']]
    assert parts == ['preflight.yml', 'install.yml', 'configure.yml', 'service.yml']
    (upgrade,) = yaml.safe_load(COLLECTION.joinpath('playbooks', 'upgrade.yml').read_text(encoding='utf-8'))
    assert upgrade['tasks'][0]['ansible.builtin.import_role']['tasks_from'] == 'preflight'


OWN, OTHER = 'ab' * 32, 'cd' * 32


@pytest.fixture
def compared(tmp_path):
    """The role's comparison of a host, by its id, with what the control plane has under its name."""

    def run(node_id, record):
        tasks = [task for task in read('agent', 'tasks', 'preflight.yml') if task['name'] == IS_THAT_MACHINE]
        known = {
            'hostward_url': 'https://cp.example:7443',
            'hostward_agent_name': 'web1',
            'hostward_agent_host': {'enrolled': bool(node_id), 'node_id': node_id},
            'hostward_agent_named': {'nodes': [] if record is None else [record]},
        }
        file = tmp_path / 'compared.yml'
        play = {'hosts': 'localhost', 'connection': 'local', 'gather_facts': False, 'vars': known, 'tasks': tasks}
        file.write_text(yaml.safe_dump([play]), encoding='utf-8')
        return subprocess.run(
            ['ansible-playbook', '-i', 'localhost,', str(file)],
            env=dict(os.environ, ANSIBLE_LOCALHOST_WARNING='0', ANSIBLE_HOME=str(tmp_path / 'ansible')),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    'node_id, record',
    [
        (OWN, {'nodeId': OWN, 'connected': False}),
        ('', None),
        ('', {'connected': False}),
        # Replaced by an operator a moment ago: what the one before said counts for a while.
        ('', {'connected': True}),
        # Broken off while it enrolled.
        ('', {'nodeId': OWN, 'connected': False}),
    ],
)
def test_a_host_that_is_the_machine_of_its_name_or_may_be_is_taken(compared, node_id, record):
    ended = compared(node_id, record)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize(
    'node_id, record, other, own',
    [
        (OWN, {'nodeId': OTHER, 'connected': True}, OTHER, OWN),
        (OWN, {'connected': False}, 'no machine', OWN),
        (OWN, None, 'no machine', OWN),
        ('', {'nodeId': OTHER, 'connected': True}, OTHER, 'has no identity'),
    ],
)
def test_a_host_that_is_another_machine_than_that_of_its_name_is_refused_with_both(compared, node_id, record, other, own):
    ended = compared(node_id, record)
    assert ended.returncode == 2, ended.stdout
    assert 'web1 is %s at https://cp.example:7443, and this host %s: nothing was changed' % (other, own) in ended.stdout


@pytest.mark.parametrize('role', ROLES)
def test_no_task_asks_a_shell(role):
    assert not [task['name'] for task in every_task(role) if 'ansible.builtin.shell' in task]


EXAMPLES = COLLECTION.parent / 'packaging' / 'hostward' / 'examples'
MACHINES = [
    {'name': 'cp%d' % number, 'address': '10.0.0.%d' % number, 'names': ['10.0.0.%d' % number], 'etcd': True}
    for number in (1, 2, 3)
]


def settings(text):
    """Its lines without comments and empty ones."""
    return [line for line in text.splitlines() if line and not line.startswith('#')]


def rendered(template, **variables):
    """A template of the role cluster for the first of three machines, as Ansible renders it."""
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined)
    text = COLLECTION.joinpath('roles', 'cluster', 'templates', template).read_text(encoding='utf-8')
    return environment.from_string(text).render(
        ansible_managed='managed',
        inventory_hostname='cp1',
        hostward_cluster_address='10.0.0.1',
        hostward_cluster_members=MACHINES,
        hostward_cluster_redis=MACHINES[:2],
        hostward_cluster_data_dir=read('cluster', 'vars', 'main.yml')['hostward_cluster_data_dir'],
        **variables,
    )


@pytest.mark.parametrize('name', ['etcd.env', 'redis-sentinel.conf', 'control-plane.env'])
def test_settings_of_the_cluster_are_those_of_the_examples(name):
    assert settings(rendered(name + '.j2')) == settings(EXAMPLES.joinpath(name).read_text(encoding='utf-8'))


@pytest.mark.parametrize('name', ['redis', 'redis-events'])
def test_redis_of_the_cluster_has_the_settings_of_the_examples_at_its_own_address(name):
    folder = '/usr/share/hostward/examples'
    assert settings(rendered('redis.conf.j2', item=name)) == [
        'include %s/%s.conf' % (folder, name),
        'bind 10.0.0.1',
        'include %s/redis-replica.conf' % folder,
        'replica-announce-ip 10.0.0.1',
    ]
    own = [line for line in settings(EXAMPLES.joinpath(name + '.conf').read_text(encoding='utf-8')) if '10.0.0.1' in line]
    assert own == ['bind 10.0.0.1']


def test_no_secret_of_the_cluster_comes_to_the_controller():
    tasks = list(every_task('cluster'))
    assert not [task['name'] for task in tasks if {'ansible.builtin.slurp', 'ansible.builtin.fetch'} & task.keys()]
    assert not [task['name'] for task in tasks if 'root.key' in str(task) or 'open-secret' in str(task)]
    assert '--admin-token-file' in read('cluster', 'vars', 'main.yml')['hostward_cluster_init']
