# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

"""Whom a connection to the control plane believes: a CA from a file, or one that has a pinned fingerprint."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl

_FINGERPRINT = re.compile(r'^(?:[0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$')


class TrustError(Exception):
    """The control plane could not be identified; the message names value and remedy."""


def context_of_file(ca_path):
    """TLS context that believes the CAs in a PEM file. Raises TrustError."""
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=ca_path)
        return context
    except (OSError, ssl.SSLError) as error:
        raise TrustError('ca_path: %s cannot be used (%s): name the PEM file of the CA' % (ca_path, error)) from error


def context_of_fingerprint(host, port, fingerprint, timeout_seconds):
    """
    TLS context that believes the one CA which the server shows and which has the fingerprint (SHA-256, hex).
    The first connection sends nothing; all that follow are verified as usual. Raises TrustError.
    """
    wanted = normal_fingerprint(fingerprint)
    shown = _shown_certificates(host, port, timeout_seconds)
    found = [der for der in shown if hashlib.sha256(der).hexdigest() == wanted]
    if not found:
        prints = ', '.join(hashlib.sha256(der).hexdigest() for der in shown[1:]) or 'no CA at all'
        raise TrustError(
            'ca_fingerprint: %s is not that of %s:%s, which shows %s: compare it with what `hostward up` printed'
            % (wanted, host, port, prints)
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=found[0])
    return context


def normal_fingerprint(fingerprint):
    """64 hex digits in small letters, from those with colons and capitals too. Raises TrustError."""
    if not _FINGERPRINT.match(fingerprint):
        raise TrustError('ca_fingerprint: "%s" is not 64 hex digits, as `hostward up` prints them' % fingerprint)
    return fingerprint.replace(':', '').lower()


def _shown_certificates(host, port, timeout_seconds):
    """DER of the server's chain, its own certificate first; not verified, which the caller does by the hash."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection((host, port), timeout=timeout_seconds) as plain:
            with context.wrap_socket(plain, server_hostname=host) as secured:
                return _chain_of(secured)
    except OSError as error:
        raise TrustError('url: no TLS connection to %s:%s: %s' % (host, port, error)) from error


def _chain_of(secured):
    if hasattr(secured, 'get_unverified_chain'):
        return list(secured.get_unverified_chain())
    # Before Python 3.13 only the object below has it, and gives certificates where the public one gives bytes.
    inner = getattr(secured, '_sslobj', None)
    if not hasattr(inner, 'get_unverified_chain'):
        raise TrustError('ca_fingerprint: needs Python 3.10 or later here: name the PEM file of the CA by ca_path instead')
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in inner.get_unverified_chain()]
