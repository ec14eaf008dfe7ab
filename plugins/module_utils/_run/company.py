# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that are carried out together: at the same time, and all of them or none."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan

# Where they wait for each other. At the first two only those with an action that gathers.
READY, FROZEN, DONE = "ready", "frozen", "done"


class Company:
    """Who waits for whom. *failed* is the item that failed first."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        gathering = sum(any(action.gathers for action in plan.actions) for plan in plans)
        self.gates = {gate: threading.Barrier(max(1, gathering)) for gate in (READY, FROZEN)}
        self.gates[DONE] = threading.Barrier(max(1, len(plans)))
        self.failed = ""

    def meet(self, gate: str) -> None:
        """Wait until all the others have come to *gate*, too; an error where one of them failed before that."""
        try:
            self.gates[gate].wait()
        except threading.BrokenBarrierError:
            raise apart(self.failed) from None

    def fail(self, item: str) -> None:
        """Let none of the others go on. Not for one that has met them at DONE."""
        self.failed = self.failed or item
        for gate in self.gates.values():
            gate.abort()


def apart(failed: str) -> GoldenError:
    """What is said of an item that is not done because others (*failed*) cannot be."""
    return GoldenError("working on all together", f"{failed} failed, and so nothing is done", "See what is said of it.")
