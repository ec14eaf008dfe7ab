# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the table of docs/snapshots.md from what the tests recorded in tests/integration/matrix.

``--check`` only says whether it is current.
"""

from __future__ import annotations

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "snapshots.md"
BEGIN, END = "<!-- table: scripts/snapshot_table.py -->\n", "<!-- end of table -->\n"
STATES = {"shutoff": "off", "running": "running", "paused": "paused"}
KINDS = {"internal": "internal", "external": "external", "memory": "external, with memory"}
MACHINES = ("qcow2", "raw", "two disks", "UEFI")


def table() -> str:
    """The table and, below it, why what is not taken is refused."""
    records = [json.loads(path.read_text()) for path in (ROOT / "tests/integration/matrix").glob("*.json")]
    records.sort(key=lambda record: [int(number) for number in record["libvirt"].split(".")])
    notes: dict[str, int] = {}
    heads = [f"libvirt {record['libvirt']}, QEMU {record['qemu']}" for record in records]
    lines = [row("snapshot", "domain", "machine", *heads), row(*["---"] * (3 + len(heads)))]
    for kind, kind_words in KINDS.items():
        for state, state_words in STATES.items():
            for machine in MACHINES:
                cells = [record["cells"][f"{kind}, {state}, {machine}"] for record in records]
                lines.append(row(kind_words, state_words, machine, *(shown(cell, notes) for cell in cells)))
    return "\n".join([*lines, "", *(f"{number}. {reason}" for reason, number in notes.items()), ""])


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def shown(outcome: dict[str, str], notes: dict[str, int]) -> str:
    """yes where all operations work; else those that do not, with the number of the reason."""
    refused: dict[str, list[str]] = {}
    for operation, reason in outcome.items():
        if reason:
            refused.setdefault(reason, []).append(operation)
    if not refused:
        return "yes"
    return "; ".join(
        f"{'no' if len(operations) == len(outcome) else 'no ' + ', '.join(operations)} "
        f"({notes.setdefault(reason, len(notes) + 1)})"
        for reason, operations in refused.items()
    )


def main() -> int:
    text = PAGE.read_text()
    before, _begin, rest = text.partition(BEGIN)
    _old, _end, after = rest.partition(END)
    new = before + BEGIN + "\n" + table() + "\n" + END + after
    if "--check" in sys.argv:
        return 0 if new == text else f"{PAGE} is not current: run python3 scripts/snapshot_table.py"
    PAGE.write_text(new)
    return 0


if __name__ == "__main__":
    sys.exit(main())
