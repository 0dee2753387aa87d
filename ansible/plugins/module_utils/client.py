# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

"""REST client of the control plane: standard library only, every request verified, bounded and with a deadline."""

from __future__ import annotations

import json
import os
import random
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from ansible_collections.hostward.fleet.plugins.module_utils.trust import (
    TrustError,
    context_of_file,
    context_of_fingerprint,
)

_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_PAGE = 500
# Kinds of refusal by which nothing was begun, so that anything may be said again, a change too.
_NOT_BEGUN = ('urn:hostward:problem:busy', 'urn:hostward:problem:too-many-requests')
# How long a busy control plane is asked again, at the times that it says.
_PATIENCE_S = 60
_NAME = re.compile(r'^[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?$')


class ControlPlaneError(Exception):
    """The control plane refused or could not be asked; the message names what and the remedy."""

    def __init__(self, message, status=None, retry_after=None):
        """`retry_after`: seconds until it may be said again, where nothing was begun."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def passing(self):
        """Whether asking again later may help: it is away, busy, or starts."""
        return self.status is None or self.status in (429, 500, 502, 503, 504)


def connection_arguments():
    """Options of every module; plugins/doc_fragments/control_plane.py documents them."""
    return {
        'url': {'type': 'str'},
        'token': {'type': 'str', 'no_log': True},
        'ca_path': {'type': 'path'},
        'ca_fingerprint': {'type': 'str'},
        'request_timeout': {'type': 'int', 'default': 30},
    }


class ControlPlane:
    """One control plane, asked as one caller."""

    def __init__(self, options, environment=None):
        """`options` has the keys of connection_arguments. Raises ControlPlaneError for what is missing or wrong."""
        environment = os.environ if environment is None else environment
        self._timeout = options['request_timeout']
        self._url = _checked_url(options.get('url') or environment.get('HOSTWARD_URL'))
        self._token = _checked_token(options.get('token') or environment.get('HOSTWARD_TOKEN'))
        self._trust = _trust_of(options, environment)
        self._opener = None

    def get(self, path, query=None):
        """The answer of a GET, parsed."""
        return self.call('GET', path, query=query)

    def find(self, path):
        """As get, and None where there is no such thing."""
        try:
            return self.get(path)
        except ControlPlaneError as error:
            if error.status == 404:
                return None
            raise

    def list(self, path, query=None):
        """All items of a list, page by page."""
        items, cursor = [], None
        while True:
            page = self.get(path, dict(query or {}, limit=_PAGE, **({'cursor': cursor} if cursor else {})))
            items.extend(page['items'])
            cursor = page.get('next')
            if not cursor:
                return items

    def call(self, method, path, body=None, query=None, revision=None):
        """
        Sends JSON and gives the parsed answer, None for an empty one; with `revision` only where what is written has it still.
        Raises ControlPlaneError.
        """
        wanted = {name: value for name, value in (query or {}).items() if value is not None}
        suffix = '?' + urllib.parse.urlencode(wanted) if wanted else ''
        data = None if body is None else json.dumps(body).encode('utf-8')
        request = urllib.request.Request(self._url + path + suffix, data=data, method=method)
        request.add_header('Accept', 'application/json')
        request.add_header('Authorization', 'Bearer %s' % self._token)
        if data is not None:
            request.add_header('Content-Type', 'application/json')
        if revision is not None:
            request.add_header('If-Match', '"%s"' % revision)
        return self._answer(request)

    def _answer(self, request):
        last = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self._answer_once(request)
            except ControlPlaneError as error:
                if error.retry_after is None or time.monotonic() + error.retry_after > last:
                    raise
                wait = error.retry_after
            # Hosts of one play that were refused at once do not come back at once.
            time.sleep(wait + random.random())

    def _answer_once(self, request):
        try:
            with self._connection().open(request, timeout=self._timeout) as response:
                return _parsed(response.read(_MAX_ANSWER_BYTES + 1))
        except urllib.error.HTTPError as error:
            raise _refusal(error) from error
        except TrustError as error:
            raise ControlPlaneError(str(error)) from error
        except urllib.error.URLError as error:
            raise ControlPlaneError(self._unreachable(error.reason)) from error
        except (OSError, ValueError) as error:
            raise ControlPlaneError('%s: %s' % (self._url, error)) from error

    def _unreachable(self, reason):
        if isinstance(reason, ssl.SSLCertVerificationError):
            return 'url: %s is not who the CA says (%s): check url, ca_path and ca_fingerprint' % (
                self._url,
                reason.verify_message,
            )
        return 'url: %s cannot be reached (%s): check that it runs, its name and its port' % (self._url, reason)

    def _connection(self):
        """Made at the first request, since a pinned CA is fetched; it follows no redirect and uses no proxy."""
        if self._opener is None:
            https = urllib.request.HTTPSHandler(context=self._context())
            self._opener = urllib.request.build_opener(https, urllib.request.ProxyHandler({}), _NoRedirect())
        return self._opener

    def _context(self):
        kind, value = self._trust
        if kind == 'path':
            return context_of_file(value)
        parts = urllib.parse.urlsplit(self._url)
        return context_of_fingerprint(parts.hostname, parts.port or 443, value, self._timeout)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for this control plane alone."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        return None


def run(module, action):
    """Ends the module with what `action(control_plane, module)` gives, or with what the control plane says against it."""
    try:
        result = action(ControlPlane(module.params), module)
    except ControlPlaneError as error:
        module.fail_json(msg=str(error), status=error.status)
    for warning in result.pop('warnings', []):
        module.warn(warning)
    module.exit_json(**result)


def segment(name):
    """A name as one segment of a path. Raises ControlPlaneError for one that would be stored under another name."""
    if not _NAME.match(name):
        raise ControlPlaneError('name: "%s" is no name: use small letters, digits, - and ., at most 253 characters' % name)
    return urllib.parse.quote(name, safe='')


def _trust_of(options, environment):
    path, fingerprint = options.get('ca_path'), options.get('ca_fingerprint')
    if path and fingerprint:
        raise ControlPlaneError('ca_path and ca_fingerprint are both set: give one of them')
    if fingerprint:
        return 'fingerprint', fingerprint
    path = path or environment.get('HOSTWARD_CA')
    if path:
        return 'path', path
    raise ControlPlaneError('ca_fingerprint is missing: give it, or ca_path, or set HOSTWARD_CA')


def _checked_url(url):
    if not url:
        raise ControlPlaneError('url is missing: give it, or set HOSTWARD_URL')
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != 'https' or not parts.hostname:
        raise ControlPlaneError('url: "%s" is not an https URL: use https://HOST:PORT' % url)
    return url.rstrip('/')


def _checked_token(token):
    if not token:
        raise ControlPlaneError('token is missing: give it, or set HOSTWARD_TOKEN')
    if not token.isascii() or any(character <= ' ' for character in token):
        raise ControlPlaneError('token holds characters that no token has: check it for spaces and line ends')
    return token


def _parsed(text):
    if len(text) > _MAX_ANSWER_BYTES:
        raise ValueError('the answer is larger than %d bytes' % _MAX_ANSWER_BYTES)
    return json.loads(text) if text.strip() else None


def _refusal(error):
    """What a problem document (RFC 9457) says, in one line for each field."""
    try:
        problem = _parsed(error.read(_MAX_ANSWER_BYTES))
    except (OSError, ValueError):
        problem = None
    if not isinstance(problem, dict):
        return ControlPlaneError('the control plane answered %d %s' % (error.code, error.reason), error.code)
    parts = [problem.get('detail') or problem.get('title') or error.reason]
    fields = list(problem.get('errors') or [])
    for document in problem.get('documents') or []:
        fields.extend(document.get('errors') or [])
    parts.extend(field_text(field) for field in fields)
    if error.code == 401:
        parts.append('check token, or HOSTWARD_TOKEN')
    return ControlPlaneError('; '.join(dict.fromkeys(parts)), error.code, _retry_after(error, problem))


def _retry_after(error, problem):
    text = error.headers.get('retry-after', '')
    return int(text) if problem.get('type') in _NOT_BEGUN and re.fullmatch(r'[0-9]{1,6}', text) else None


def field_text(field):
    """One error or warning of a document: field, value, what is wrong, what to do."""
    value = ' "%s"' % field['value'] if field.get('value') else ''
    remedy = ': %s' % field['remedy'] if field.get('remedy') else ''
    return '%s%s %s%s' % (field.get('field', ''), value, field.get('message', ''), remedy)
