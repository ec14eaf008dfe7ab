# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Argument specs that modules merge, one per doc fragment."""

from __future__ import annotations

from typing import Any

Spec = dict[str, dict[str, Any]]

CONNECTION: Spec = {"uri": {"type": "str", "default": "qemu:///system"}}
PARALLEL: Spec = {"parallel": {"type": "int", "default": 2}}
# What no spec can say of an integer.
AT_LEAST_ONE = ("parallel", "max_starting")
TRUST: Spec = {"trusted_signers": {"type": "path"}, "revoked_signers": {"type": "path"}}
PROTECT: Spec = {"protect": {"type": "bool", "default": True}}
IMAGE_POOL: Spec = {"image_pool": {"type": "str", "default": "golden"}}
