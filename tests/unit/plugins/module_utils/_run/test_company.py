# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans that are carried out together: all or none, and what is final comes last."""

from __future__ import annotations

import errno
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan
from ansible_collections.golden.libvirt.plugins.module_utils._run.company import FROZEN, Company
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Lanes, carry_out, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Verb, item_result

LOG = []


@dataclass(frozen=True)
class Step(Action):
    words: ClassVar[str] = "step"
    name: str
    seconds: float = 0
    fails: bool = False


@dataclass(frozen=True)
class Last(Step):
    settles: ClassVar[str] = "before"


@dataclass(frozen=True)
class Gathering(Step):
    gathers: ClassVar[bool] = True


@dataclass(frozen=True)
class Stuck(Step):
    pass


@perform.register
def stuck(action: Stuck, bench: Bench):
    def undo():
        raise GoldenError(action.name, "it stays")

    return undo


@perform.register
def step(action: Step, bench: Bench):
    if isinstance(action, Gathering):
        bench.company.meet(FROZEN)
    time.sleep(action.seconds)
    if action.fails:
        raise GoldenError(action.name, "it fails")
    LOG.append(action.name)
    return lambda: LOG.append(f"no {action.name}")


def together(*plans):
    """What is said of each plan, carried out together; empty where it went well."""
    LOG.clear()
    plans = [Plan(str(number), actions) for number, actions in enumerate(plans)]
    bench = Bench(hypervisor=None, company=Company(plans), lanes=Lanes(len(plans), len(plans)))

    def one(plan):
        try:
            carry_out(plan, bench)
        except GoldenError as err:
            return str(err)
        return ""

    with ThreadPoolExecutor(len(plans)) as workers:
        return list(workers.map(one, plans))


def test_what_one_did_is_undone_when_another_fails():
    said = together((Step("a"),), (Step("b", seconds=0.2, fails=True),), ())
    assert ["it fails" in text for text in said] == [False, True, False]
    assert all("1 failed, and so nothing is done" in said[number] for number in (0, 2))
    assert LOG == ["a", "no a"]


def test_nothing_final_is_done_before_all_have_come_so_far():
    assert together((Step("a"), Last("gone a")), (Step("b", seconds=0.2), Last("gone b"))) == ["", ""]
    assert sorted(LOG[:2]) == ["a", "b"] and sorted(LOG[2:]) == ["gone a", "gone b"]
    assert "it fails" in together((Step("a"), Last("gone a")), (Step("b", fails=True),))[1]
    assert "gone a" not in LOG


def test_what_all_have_done_stays_even_if_something_final_fails():
    said = together((Step("a"), Last("gone a", fails=True)), (Step("b"),))
    assert "it fails" in said[0] and "what was done up to" in said[0] and said[1] == ""
    assert sorted(LOG) == ["a", "b"]


@pytest.mark.parametrize("fails", [False, True])
def test_those_that_gather_wait_only_for_each_other(fails):
    said = together((Gathering("a"),), (Step("b", seconds=0.1, fails=fails), Gathering("c")), (Step("d"),))
    assert all(said) if fails else not any(said)
    assert threading.active_count() < 10


@dataclass(frozen=True)
class Stubborn(Action):
    words: ClassVar[str] = "stubborn step"


@perform.register
def stubborn(action: Stubborn, bench: Bench):
    def undo():
        raise OSError(errno.EIO, "Input/output error")

    return undo


def test_an_undo_that_fails_in_whatever_way_keeps_no_other_from_being_done():
    LOG.clear()
    plan = Plan("one", (Step("a"), Stubborn(), Step("b", fails=True)))
    with pytest.raises(GoldenError) as failed:
        carry_out(plan, Bench(hypervisor=None))
    assert LOG == ["a", "no a"]
    (left,) = failed.value.left
    assert "undoing (action stubborn step) failed" in left
    assert "Input/output error" in left


@pytest.mark.parametrize(("step", "settled"), [(Stuck("a"), False), (Last("a"), True)])
def test_what_stays_because_it_cannot_be_undone_is_not_settled(step, settled):
    plan = Plan("one", (Step("first"), step, Step("b", fails=True)))
    result = item_result(plan, Verb("ones", lambda bench, params: ()), Bench(hypervisor=None), {}, False)
    assert result["failed"] and result["changed"] and result["left"] and result["settled"] is settled


def test_what_is_done_is_settled_although_its_result_cannot_be_read():
    def finish(bench, params, item):
        raise GoldenError("asking the guest", "it does not answer")

    verb = Verb("ones", lambda bench, params: (), finish)
    result = item_result(Plan("one", (Step("a"),)), verb, Bench(hypervisor=None), {}, False)
    assert result["failed"] and result["changed"] and result["settled"]
