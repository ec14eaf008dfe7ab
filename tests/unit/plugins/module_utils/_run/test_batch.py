# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many of a task's items are worked on at once, and what becomes of the others when one fails."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import ClassVar

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Batch, Failed, Verb


class Watch:
    """How many are at something, and how many at most were."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0

    def __enter__(self) -> None:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)

    def __exit__(self, *_error: object) -> None:
        with self.lock:
            self.now -= 1


WATCHES = {"make": Watch(), "boot": Watch()}
DONE: list[str] = []


@dataclass(frozen=True)
class Make(Action):
    words: ClassVar[str] = "make"
    name: str
    fails: bool = False


@dataclass(frozen=True)
class Boot(Action):
    words: ClassVar[str] = "boot"
    boots: ClassVar[bool] = True
    name: str


class Settle(Boot):
    settles: ClassVar[str] = "after"


@perform.register
def make(action: Make, bench: Bench):
    with WATCHES["make"]:
        time.sleep(0.02)
        if action.fails:
            raise GoldenError("making", "it broke")
    DONE.append(f"make {action.name}")


@perform.register
def boot(action: Boot, bench: Bench):
    with WATCHES["boot"]:
        time.sleep(0.03)


def run(plans, **params):
    DONE.clear()
    for watch in WATCHES.values():
        watch.most = 0
    verb = Verb("things", lambda bench, params: plans, take_back=lambda bench, params, plan: unmade(plan))
    return Batch(plans, verb, Bench(None), params, check=False).run()


def unmade(plan: Plan) -> Plan:
    return Plan(plan.item, (Make(f"un{plan.item}"),))


def plans_of(number, **options):
    return [Plan(str(item), (Make(str(item)), Boot(str(item))), **options) for item in range(number)]


@pytest.mark.parametrize(
    ("parallel", "starting", "most"),
    [(4, None, (4, 4)), (2, 5, (2, 5)), (6, 2, (6, 2)), (1, None, (1, 1))],
)
def test_so_many_are_made_and_so_many_boot_at_once(parallel, starting, most):
    results = run(plans_of(16), parallel=parallel, max_starting=starting)
    assert [result["item"] for result in results] == [str(item) for item in range(16)]
    assert (WATCHES["make"].most <= most[0], WATCHES["boot"].most <= most[1]) == (True, True)
    assert WATCHES["make"].most + WATCHES["boot"].most > (2 if parallel > 1 else 1)


@pytest.mark.parametrize(("on_error", "skipped", "back"), [("continue", 0, 0), ("stop", 2, 0), ("rollback", 2, 2)])
def test_a_failure_in_the_middle(on_error, skipped, back):
    plans = plans_of(5)
    plans[2] = Plan("2", (Make("2", fails=True),))
    results = run(plans, parallel=1, on_error=on_error)
    assert [result["failed"] for result in results] == [False, False, True, False, False]
    assert sum(result.get("skipped", False) for result in results) == skipped
    assert sum(result.get("rolled_back", False) for result in results) == back
    assert [done for done in DONE if "un" in done] == (["make un1", "make un0"] if back else [])


@pytest.mark.parametrize("on_error", ["stop", "rollback"])
def test_what_was_left_is_told_until_it_is_rolled_back(on_error):
    (result,) = run([Plan("0", (Settle("0"), Make("1", fails=True)))], on_error=on_error)
    left = [] if on_error == "rollback" else ["what was done up to (action boot, name 0)"]
    said = "" if on_error == "rollback" else f" Left behind: {left[0]}."
    assert (result["left"], result["msg"]) == (left, f"making: it broke.{said}")


@pytest.mark.parametrize(("on_error", "done"), [("continue", ["make 0"]), ("stop", []), ("rollback", [])])
def test_what_is_known_to_fail_is_told_first(on_error, done):
    results = run([*plans_of(1), Failed("1", GoldenError("planning", "no"))], on_error=on_error)
    assert (DONE, results[1]["failed"]) == (done, True)


def test_late_ones_wait_for_all_others_and_stay_where_one_failed():
    late = Plan("late", (Make("late"),), late=True)
    run([late, *plans_of(4)], parallel=4)
    assert DONE[-1] == "make late"
    results = run([late, Plan("bad", (Make("bad", fails=True),))], on_error="stop")
    assert (results[0].get("skipped"), DONE) == (True, [])
    results = run([late, Plan("bad", (Make("bad", fails=True),))])
    assert DONE == ["make late"]
