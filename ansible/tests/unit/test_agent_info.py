# SPDX-License-Identifier: Apache-2.0
"""What is on a host is read from what dpkg and os-release really say."""

from __future__ import annotations

import hashlib
import importlib
import os

import pytest


@pytest.fixture
def agent_info(collections):
    return importlib.import_module('ansible_collections.hostward.fleet.plugins.modules.agent_info')


@pytest.mark.parametrize(
    'answer, versions',
    [
        ('hostward-agent install ok installed 0.1.0\n', {'hostward-agent': '0.1.0'}),
        ('hostward install ok installed 0.2.0\nhostward-agent install ok unpacked 0.1.0\n', {'hostward': '0.2.0'}),
        ('hostward-agent install reinstreq half-installed 0.1.0\n', {}),
        ('hostward-agent deinstall ok config-files 0.1.0\n', {}),
        ('hostward-agent unknown ok not-installed \n', {}),
        ('', {}),
    ],
)
def test_a_package_counts_only_where_it_is_installed_whole(agent_info, answer, versions):
    assert agent_info.installed_versions(answer) == versions


def test_a_unit_runs_where_it_is_enabled_and_active(agent_info):
    answer = """Id=hostward-sensor.service
ActiveState=active
UnitFileState=enabled

Id=hostward-agent.service
ActiveState=active
UnitFileState=disabled

Id=hostward-up.service
ActiveState=inactive
UnitFileState=
"""
    assert agent_info.running_units(answer) == ['hostward-sensor.service']
    assert agent_info.running_units('') == []


def test_os_release_may_quote_and_comment(agent_info):
    text = '# made by hand\nID=debian\nVERSION_ID="13"\nNAME=\'Debian GNU/Linux\'\n\nBROKEN\n'
    assert agent_info.os_release(text) == {'ID': 'debian', 'VERSION_ID': '13', 'NAME': 'Debian GNU/Linux'}


def test_a_configuration_has_a_digest_only_as_the_role_leaves_it(agent_info, tmp_path):
    path, mine = tmp_path / 'agent.yaml', (os.getuid(), os.getgid())
    assert agent_info.sha256_of(str(path), mine) == ''
    path.write_bytes(b'veto: []\n')
    path.chmod(0o644)
    assert agent_info.sha256_of(str(path), mine) == hashlib.sha256(b'veto: []\n').hexdigest()
    assert agent_info.sha256_of(str(path), (mine[0] + 1, mine[1])) == ''
    path.chmod(0o664)
    assert agent_info.sha256_of(str(path), mine) == ''
    assert agent_info.sha256_of(str(tmp_path), mine) == ''
    link = tmp_path / 'link'
    path.chmod(0o644)
    link.symlink_to(path)
    assert agent_info.sha256_of(str(link), mine) == ''


def test_a_host_without_keys_has_no_agent_to_start_whether_or_not_their_folder_is_there(agent_info, tmp_path):
    assert agent_info.is_empty(str(tmp_path)) and agent_info.is_empty(str(tmp_path / 'none'))
    (tmp_path / 'tls.key').write_text('', encoding='utf-8')
    assert not agent_info.is_empty(str(tmp_path))
    assert not agent_info.is_empty(str(tmp_path / 'tls.key'))
