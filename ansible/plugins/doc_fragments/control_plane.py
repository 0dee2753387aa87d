# Copyright: The Hostward authors
# SPDX-License-Identifier: Apache-2.0

"""Options by which every module and the inventory find the control plane."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of the options in module_utils/client.py."""

    DOCUMENTATION = r"""
options:
  url:
    description:
      - Where the control plane is, for example V(https://hostward.example:7443).
      - Without it, the environment variable E(HOSTWARD_URL) is used.
    type: str
  token:
    description:
      - API token, or the admin token that C(hostward up) prints.
      - Without it, the environment variable E(HOSTWARD_TOKEN) is used.
    type: str
  ca_path:
    description:
      - File with the CA of the control plane, in PEM.
      - Without it and without O(ca_fingerprint), the environment variable E(HOSTWARD_CA) is used.
      - Exactly one of O(ca_path) and O(ca_fingerprint) is needed.
    type: path
  ca_fingerprint:
    description:
      - SHA-256 of the CA's certificate, in hex, as C(hostward up) prints it. The CA is taken from the handshake, compared
        with it, and trusted for this call only. Nothing is sent before.
      - Needs Python 3.10 or later where the module runs.
    type: str
  request_timeout:
    description: Seconds after which one request is given up.
    type: int
    default: 30
"""
