# SPDX-License-Identifier: Apache-2.0
"""What ansible-doc shows of a module is what the module takes."""

from __future__ import annotations

import importlib
import pathlib

import pytest
import yaml

BASE = 'ansible_collections.hostward.fleet.plugins.'
COLLECTION = pathlib.Path(__file__).resolve().parents[2]
MODULES = sorted(path.stem for path in (COLLECTION / 'plugins' / 'modules').glob('*.py'))
COMPARED = ('type', 'elements', 'choices', 'default', 'required')


class Captured(Exception):
    """Ends a module where it would begin."""


@pytest.fixture(params=MODULES)
def module(request, collections):
    return importlib.import_module(BASE + 'modules.' + request.param)


@pytest.fixture
def argument_spec(module, monkeypatch):
    def capture(**arguments):
        raise Captured(arguments)

    monkeypatch.setattr(module, 'AnsibleModule', capture)
    with pytest.raises(Captured) as raised:
        module.main()
    return raised.value.args[0]


def documented(module):
    documentation = yaml.safe_load(module.DOCUMENTATION)
    options = dict(documentation['options'])
    for fragment in [documentation.get('extends_documentation_fragment')]:
        if fragment is not None:
            name = fragment.removeprefix('hostward.fleet.')
            shared = importlib.import_module(BASE + 'doc_fragments.' + name).ModuleDocFragment.DOCUMENTATION
            options.update(yaml.safe_load(shared)['options'])
    return options


def compared(options):
    return {name: {key: option[key] for key in COMPARED if key in option} for name, option in options.items()}


def test_the_documented_options_are_those_that_it_takes(module, argument_spec):
    assert compared(documented(module)) == compared(argument_spec['argument_spec'])


def test_a_check_run_is_supported(argument_spec):
    assert argument_spec['supports_check_mode'] is True


def test_only_the_token_is_hidden_and_it_is(argument_spec):
    hidden = [name for name, option in argument_spec['argument_spec'].items() if option.get('no_log')]
    assert hidden in ([], ['token'])
    assert ('url' in argument_spec['argument_spec']) == bool(hidden)


def test_examples_and_results_are_yaml_and_name_the_module(module):
    name = 'hostward.fleet.' + module.__name__.rsplit('.', 1)[1]
    assert all(name in task for task in yaml.safe_load(module.EXAMPLES))
    assert all('description' in value and 'type' in value for value in yaml.safe_load(module.RETURN).values())
