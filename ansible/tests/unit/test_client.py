# SPDX-License-Identifier: Apache-2.0
"""The client believes one CA, names what is wrong, and never sends the token to anybody else."""

from __future__ import annotations

import http.server
import importlib
import json
import os
import ssl
import subprocess
import threading

import pytest

BASE = 'ansible_collections.hostward.fleet.plugins.module_utils.'
GOOD = {'url': 'https://127.0.0.1:1', 'token': 't', 'ca_fingerprint': 'ab' * 32, 'request_timeout': 5}


@pytest.fixture
def client(collections):
    return importlib.import_module(BASE + 'client')


@pytest.fixture
def trust(collections):
    return importlib.import_module(BASE + 'trust')


@pytest.mark.parametrize(
    'changes, message',
    [
        ({'url': None}, 'url is missing'),
        ({'url': 'http://127.0.0.1:1'}, 'not an https URL'),
        ({'url': 'https://'}, 'not an https URL'),
        ({'token': None}, 'token is missing'),
        ({'token': 'two words'}, 'characters that no token has'),
        ({'token': 'line\nend'}, 'characters that no token has'),
        ({'ca_fingerprint': None}, 'ca_fingerprint is missing'),
        ({'ca_path': '/ca.pem'}, 'both set'),
    ],
)
def test_options_that_cannot_be_used_are_named(client, changes, message):
    with pytest.raises(client.ControlPlaneError, match=message):
        client.ControlPlane(dict(GOOD, **changes), {})


def test_the_environment_stands_in_for_what_is_not_given(client):
    environment = {'HOSTWARD_URL': 'https://127.0.0.1:1', 'HOSTWARD_TOKEN': 't', 'HOSTWARD_CA': '/nowhere.pem'}
    with pytest.raises(client.ControlPlaneError, match='ca_path: /nowhere.pem cannot be used'):
        client.ControlPlane({'request_timeout': 5}, environment).get('/v1/nodes')


def test_a_control_plane_that_is_away_is_said_and_may_come_back(client):
    with pytest.raises(client.ControlPlaneError, match='no TLS connection to 127.0.0.1:1') as raised:
        client.ControlPlane(GOOD, {}).get('/v1/nodes')
    assert raised.value.passing


@pytest.mark.parametrize('name', ['Web', 'we_b', '', '-a', 'a/b', 'a' * 254, '../nodes'])
def test_a_name_that_is_none_is_not_asked_for(client, name):
    with pytest.raises(client.ControlPlaneError, match='is no name'):
        client.segment(name)


@pytest.mark.parametrize('fingerprint', ['ab', 'zz' * 32, 'ab' * 33, ''])
def test_a_fingerprint_that_is_none_is_refused(trust, fingerprint):
    with pytest.raises(trust.TrustError, match='64 hex digits'):
        trust.normal_fingerprint(fingerprint)


def test_a_fingerprint_may_be_as_openssl_prints_it(trust):
    assert trust.normal_fingerprint(':'.join(['AB'] * 32)) == 'ab' * 32


def test_a_wrong_fingerprint_ends_the_call_with_the_one_that_is_shown(fleet):
    result = fleet('node_info', environment={'HOSTWARD_CA': ''}, ca_fingerprint='ab' * 32)
    assert result['failed']
    assert os.environ['HOSTWARD_FINGERPRINT'] in result['msg']


def test_the_right_fingerprint_is_enough(fleet):
    result = fleet('node_info', environment={'HOSTWARD_CA': ''}, ca_fingerprint=os.environ['HOSTWARD_FINGERPRINT'])
    assert result['nodes'] == []


def test_a_wrong_token_is_refused_with_a_remedy_and_is_not_shown(fleet):
    result = fleet('node_info', token='hwa_wrong')
    assert result['status'] == 401
    assert 'check token' in result['msg']
    assert 'hwa_wrong' not in str(result)


@pytest.fixture
def refusing(client, tmp_path):
    """A control plane that gives these refusals, then an answer; each (status, kind of problem, retry-after)."""
    pem = tmp_path / 'own.pem'
    subject = ['-subj', '/CN=test', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '1', '-nodes']
    key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-keyout', pem, '-out', pem]
    subprocess.run(['openssl', 'req', '-x509', *key, *subject], check=True, capture_output=True, timeout=60)
    refusals, heard = [], []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers['content-length']))
            heard.append(self.path)
            status, kind, retry_after = refusals.pop(0) if refusals else (200, '', None)
            self.send_response(status)
            if retry_after is not None:
                self.send_header('retry-after', retry_after)
            self.end_headers()
            self.wfile.write(json.dumps({'type': 'urn:hostward:problem:' + kind, 'title': kind}).encode())

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(('127.0.0.1', 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = 'https://127.0.0.1:%d' % server.server_port
    options = {'url': url, 'token': 't', 'ca_path': str(pem), 'request_timeout': 5}
    yield client.ControlPlane(options, {}), refusals, heard
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize('refusal', [(429, 'too-many-requests', '0'), (503, 'busy', '0')])
def test_what_a_busy_control_plane_has_not_begun_is_said_again_a_change_too(refusing, refusal):
    control_plane, refusals, heard = refusing
    refusals.extend([refusal, refusal])
    control_plane.call('POST', '/v1/apply', {})
    assert heard == ['/v1/apply'] * 3


@pytest.mark.parametrize(
    'refusal',
    [
        (503, 'unavailable', '0'),
        (503, 'busy', None),
        (503, 'busy', 'Wed, 02 Dec 2026 00:00:00 GMT'),
        (429, 'too-many-requests', '61'),
        (429, 'too-many-attempts', '0'),
        (500, 'internal', '0'),
    ],
)
def test_nothing_is_said_again_that_may_have_been_begun_or_not_so_late(client, refusing, refusal):
    control_plane, refusals, heard = refusing
    refusals.append(refusal)
    with pytest.raises(client.ControlPlaneError, match=refusal[1]):
        control_plane.call('POST', '/v1/apply', {})
    assert len(heard) == 1
