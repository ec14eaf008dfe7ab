# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: html
short_description: Make all texts of a value safe to be put into HTML
version_added: "0.1.0"
description:
  - Escapes every text in a value, however deep in lists and dictionaries, so that a template cannot forget one.
author:
  - The golden.libvirt developers (@golden-libvirt)
options:
  _input:
    description: The value.
    type: raw
    required: true
"""

EXAMPLES = r"""
- name: Be safe
  ansible.builtin.debug:
    msg: "{{ {'name': '<web>'} | golden.libvirt.html }}"
"""

RETURN = r"""
_value:
  description: The value, its texts escaped.
  type: raw
"""

import html
from typing import Any


def escaped(value: Any) -> Any:
    if isinstance(value, dict):
        return {escaped(key): escaped(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [escaped(part) for part in value]
    return html.escape(value) if isinstance(value, str) else value


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"html": escaped}
