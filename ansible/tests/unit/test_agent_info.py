# SPDX-License-Identifier: Apache-2.0
"""What is on a host is read from what dpkg and os-release really say."""

from __future__ import annotations

import importlib

import pytest


@pytest.fixture
def agent_info(collections):
    return importlib.import_module('ansible_collections.hostward.fleet.plugins.modules.agent_info')


@pytest.mark.parametrize(
    'answer, version',
    [
        ('install ok installed 0.1.0', '0.1.0'),
        ('install ok unpacked 0.1.0', ''),
        ('install reinstreq half-installed 0.1.0', ''),
        ('deinstall ok config-files 0.1.0', ''),
        ('unknown ok not-installed ', ''),
        ('', ''),
    ],
)
def test_a_package_counts_only_where_it_is_installed_whole(agent_info, answer, version):
    assert agent_info.installed_version(answer) == version


def test_os_release_may_quote_and_comment(agent_info):
    text = '# made by hand\nID=debian\nVERSION_ID="13"\nNAME=\'Debian GNU/Linux\'\n\nBROKEN\n'
    assert agent_info.os_release(text) == {'ID': 'debian', 'VERSION_ID': '13', 'NAME': 'Debian GNU/Linux'}
