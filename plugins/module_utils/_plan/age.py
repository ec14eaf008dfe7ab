# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How old something may become."""

from __future__ import annotations

import re

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
AGE = re.compile(r"\s*([1-9][0-9]{0,8})\s*([smhdw])\s*")


def seconds_of(text: str, option: str = "max_age") -> int:
    """The seconds of an age such as ``30d``: seconds, minutes, hours, days, weeks. *option* is what said it."""
    found = AGE.fullmatch(text)
    if not found:
        raise Refused(f"reading {option}", f"{text!r} is no age", "Write 36h, 90d or 12w.")
    return int(found.group(1)) * UNITS[found.group(2)]
