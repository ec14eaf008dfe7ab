# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each cell of the snapshot matrix came to, as recorded in tests/integration/matrix for each stack.

docs/snapshots.md shows it (scripts/snapshot_table.py writes that). A run compares itself with the record of its stack;
with GOLDEN_RECORD=1 it makes it anew.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform

import libvirt

DIRECTORY = pathlib.Path(__file__).resolve().parent.parent / "matrix"


def compare(conn: libvirt.virConnect, stack: str, cell: str, outcome: dict[str, str]) -> None:
    """*outcome*: for each operation why it was refused, empty where it worked."""
    path = DIRECTORY / f"{suite_of(stack)}.json"
    record = json.loads(path.read_text()) if path.exists() else {"cells": {}}
    versions = {"libvirt": dotted(conn.getLibVersion()), "qemu": dotted(conn.getVersion())}
    if os.environ.get("GOLDEN_RECORD"):
        record.update(versions)
        record["cells"][cell] = outcome
        record["cells"] = dict(sorted(record["cells"].items()))
        path.write_text(json.dumps(record, indent=1) + "\n")
    elif record.get("libvirt") == versions["libvirt"]:
        assert outcome == record["cells"][cell]


def suite_of(stack: str) -> str:
    """The Debian suite of a stack; another word on other systems, which nothing is recorded of."""
    if stack not in ("system", "ssh", "host"):
        return stack
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "unknown")


def dotted(number: int) -> str:
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"
