# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One task of a playbook: read, plan, (check mode stops here), apply, result. The only place that ends a module."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Callable, Union

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.golden.libvirt.plugins.module_utils._argspec import AT_LEAST_ONE, CONNECTION, Spec
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Overtaken, Refused, left_words
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, silence
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import require_libraries
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._run.company import Company, apart
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Lanes, carry_out

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Failed:
    """An *item* that could not be planned, and why."""

    item: str
    error: GoldenError


Planned = Union[Plan, Failed]


@dataclass(frozen=True)
class Verb:
    """A module that changes things.

    *noun* is the key that the items' results are returned under. *plan* reads what it needs through the bench and
    returns one plan, or the error, per item, in the order asked for; it changes nothing. *finish* adds to an item's
    result what only the doing could know. *take_back* is the plan that undoes a done one, where all shall be rolled
    back when one fails.
    """

    noun: str
    plan: Callable[[Bench, Params], Sequence[Planned]]
    finish: Callable[[Bench, Params, Plan], Mapping[str, Any]] = lambda bench, params, plan: {}
    take_back: Callable[[Bench, Params, Plan], Plan | None] = lambda bench, params, plan: None


class Module(AnsibleModule):  # type: ignore[misc]  # Ansible has no types
    """Ansible's, that also refuses what no argument spec can say, and logs no secret which is inside another option.

    Such an option is logged as Python writes it, in which Ansible does not find a secret of several lines again.
    """

    def _log_invocation(self) -> None:
        unfit = list(unfit_options(self.params))
        if unfit:
            refused = Refused("reading the task's options", "they cannot be", "Change them.", obstacles=unfit)
            self.fail_json(changed=False, **refused.result())
        self.no_log_values.update({repr(secret)[1:-1] for secret in self.no_log_values})
        super()._log_invocation()


def unfit_options(params: Params) -> Iterator[str]:
    """What is wrong with options whatever the module does, their values untold."""
    for name, value in params.items():
        if name in AT_LEAST_ONE and value is not None and value < 1:
            yield f"'{name}' is {value}: it is how many at the same time, 1 or more"
        if not is_utf8(value):
            yield f"'{name}' has text that is not UTF-8"


def is_utf8(value: Any) -> bool:
    """Whether all text in an option can be written as UTF-8: that of a file that was none cannot."""
    try:
        json.dumps(value, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError:
        return False
    return True


def run_verb(spec: Spec, verb: Verb, **rules: Any) -> None:
    """Run *verb* as the module: one connection, all items planned before the first is done, each undone by itself."""
    module = Module(argument_spec={**CONNECTION, **spec}, supports_check_mode=True, **rules)
    with_hypervisor(module, lambda hypervisor: verb_result(module, verb, bench_of(hypervisor, module)))


def run_info(spec: Spec, read: Callable[[Bench, Params], dict[str, Any]], **rules: Any) -> None:
    """Run a module that only looks."""
    module = Module(argument_spec={**CONNECTION, **spec}, supports_check_mode=True, **rules)
    with_hypervisor(module, lambda hypervisor: {"changed": False, **read(bench_of(hypervisor, module), module.params)})


def bench_of(hypervisor: Hypervisor, module: AnsibleModule) -> Bench:
    # Arguments are taken as they are: no "$" or "~" in a path is anything else.
    return Bench(hypervisor, tell=module.log, execute=partial(module.run_command, expand_user_and_vars=False))


def with_hypervisor(module: AnsibleModule, work: Callable[[Hypervisor], dict[str, Any]]) -> None:
    require_libraries(module)
    silence()
    try:
        with Hypervisor(module.params["uri"]) as hypervisor:
            result = work(hypervisor)
    except GoldenError as err:
        module.fail_json(changed=False, **err.result())
    if result.pop("failed", False):
        module.fail_json(**result)
    module.exit_json(**result)


def verb_result(module: AnsibleModule, verb: Verb, bench: Bench) -> dict[str, Any]:
    """Plan all, do all unless only checking, and put the items' results together; a failed one hides no other's."""
    # A cancelled job (AWX sends SIGTERM) undoes what it began instead of dying in the middle.
    signal.signal(signal.SIGTERM, lambda number, frame: bench.ending.set())
    planned = planned_for(verb, bench, module.params)
    items = Batch(planned, verb, bench, module.params, module.check_mode).run()
    for warning in dict.fromkeys(text for plan in planned if isinstance(plan, Plan) for text in plan.warnings):
        module.warn(warning)
    result: dict[str, Any] = {
        "changed": any(item["changed"] for item in items),
        "actions": [action for item in items for action in item["actions"]],
        verb.noun: items,
    }
    if module._diff:
        result["diff"] = [diff_of(plan) for plan in planned if isinstance(plan, Plan) and plan.before != plan.after]
    failures = [item for item in items if item["failed"]]
    if failures:
        result.update(failed=True, msg=failure_message(failures, len(items)))
    return result


def planned_for(verb: Verb, bench: Bench, params: Params) -> Sequence[Planned]:
    """A plan or the error for each item; where they are done *together*, plans for all of them or none."""
    planned = verb.plan(bench, params)
    if params.get("together"):
        planned = all_or_none(planned)
        bench.company = Company([plan for plan in planned if isinstance(plan, Plan)])
    return planned


def all_or_none(planned: Sequence[Planned]) -> Sequence[Planned]:
    """*planned*, where all can be done; else none is."""
    failed = [item.item for item in planned if isinstance(item, Failed)]
    if not failed:
        return planned
    return [item if isinstance(item, Failed) else Failed(item.item, apart(", ".join(failed))) for item in planned]


class Batch:
    """All items of a task, carried out side by side but for the late ones.

    With ``on_error``, a failure keeps what is not begun from beginning (stop), and has what is done undone (rollback).
    """

    def __init__(self, planned: Sequence[Planned], verb: Verb, bench: Bench, params: Params, check: bool) -> None:
        self.planned = planned
        self.verb = verb
        self.bench = bench
        self.params = params
        self.check = check
        self.on_error: str = params.get("on_error", "continue")
        self.failed = threading.Event()
        self.results: dict[str, dict[str, Any]] = {}

    def run(self) -> list[dict[str, Any]]:
        """The items' results, in order."""
        working = max(1, len(self.planned) if self.bench.company else self.params.get("parallel") or 1)
        booting = self.params.get("max_starting") or 0
        self.bench.lanes = Lanes(working, booting or working)
        first, late = ([item for item in self.planned if is_late(item) is late] for late in (False, True))
        self.all_of(first, working + booting)
        if self.failed.is_set() and self.on_error == "rollback" and not self.check:
            self.roll_back([item for item in first if isinstance(item, Plan)])
        self.all_of(late, working)
        return [self.results[item.item] for item in self.planned]

    def all_of(self, items: Sequence[Planned], workers: int) -> None:
        # What is known to fail is told before anything is begun.
        ordered = sorted(items, key=lambda item: isinstance(item, Plan))
        with ThreadPoolExecutor(max_workers=workers) as threads:
            list(threads.map(self.one, ordered))

    def one(self, item: Planned) -> None:
        if self.failed.is_set() and self.on_error != "continue" and isinstance(item, Plan):
            skipped = {"item": item.item, "changed": False, "failed": False, "actions": [], "skipped": True}
            self.results[item.item] = skipped
            return
        result = item_result(item, self.verb, self.bench, self.params, self.check)
        self.results[item.item] = result
        if result["failed"]:
            self.failed.set()

    def roll_back(self, plans: Sequence[Plan]) -> None:
        """Undo, newest first, what was done of *plans*."""
        for item in reversed(plans):
            result = self.results[item.item]
            try:
                undoing = self.verb.take_back(self.bench, self.params, item) if result["changed"] else None
                if undoing:
                    carry_out(undoing, replace(self.bench, ending=threading.Event()))
                    result.update(changed=False, rolled_back=True)
                    if result["failed"]:
                        result.update(msg=result["msg"].replace(left_words(result["left"]), ""), left=[])
            except GoldenError as err:
                result["left"] = [*result.get("left", []), f"it could not be rolled back: {err}"]


def is_late(item: Planned) -> bool:
    return isinstance(item, Plan) and item.late


def item_result(
    item: Planned, verb: Verb, bench: Bench, params: Params, check: bool, *, again: int = 20
) -> dict[str, Any]:
    """What one item returns; never raises a GoldenError. One that was overtaken is planned anew, *again* times.

    Whoever overtakes it has come further, so that this ends: of eight that want the next version, one may be the last.
    """
    if isinstance(item, Failed):
        return {"item": item.item, "changed": False, "actions": [], **item.error.result()}
    result: dict[str, Any] = {
        "item": item.item,
        "changed": item.changed,
        "failed": False,
        "actions": [action.describe() for action in item.actions],
        **item.result,
    }
    if check:
        return result
    done = False
    try:
        carry_out(item, bench)
        done = True
        result.update(verb.finish(bench, params, item))
    except GoldenError as err:
        if isinstance(err, Overtaken) and again and not (done or err.left) and not bench.company:
            newly = planned_anew(item.item, verb, bench, params)
            return item_result(newly, verb, bench, params, check, again=again - 1)
        result.update(err.result(), changed=bool(err.left) or (done and item.changed), settled=done or err.settled)
    return result


def planned_anew(item: str, verb: Verb, bench: Bench, params: Params) -> Planned:
    """The plan for *item* as things are now."""
    try:
        fresh = replace(bench, pools={}, repositories={})
        gone = Failed(item, Overtaken(f"planning {item} anew", "there is nothing left to do about it"))
        return next((planned for planned in verb.plan(fresh, params) if planned.item == item), gone)
    except GoldenError as err:
        return Failed(item, err)


def failure_message(failures: list[dict[str, Any]], total: int) -> str:
    messages = list(dict.fromkeys(item["msg"] for item in failures))
    return messages[0] if total == 1 else f"{len(failures)} of {total} failed. " + " | ".join(messages)


def diff_of(plan: Plan) -> dict[str, str]:
    """The plan's two sides as Ansible shows them."""

    def text(side: Mapping[str, Any]) -> str:
        return json.dumps(side, indent=2, sort_keys=True) + "\n" if side else ""

    return {
        "before_header": plan.item,
        "after_header": plan.item,
        "before": text(plan.before),
        "after": text(plan.after),
    }


def guarded(items: Sequence[str], plan: Callable[[str], Plan]) -> tuple[Planned, ...]:
    """A plan or the error for each item, once: what most verbs' *plan* is made of."""

    def one(item: str) -> Planned:
        try:
            return plan(item)
        except GoldenError as err:
            return Failed(item, err)

    return tuple(one(item) for item in dict.fromkeys(items))
