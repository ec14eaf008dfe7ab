# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb prune: what may go of a pool's images."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._model import Lineage, State
from ansible_collections.golden.libvirt.plugins.module_utils._plan import retention, states
from ansible_collections.golden.libvirt.plugins.module_utils._plan.age import seconds_of
from ansible_collections.golden.libvirt.plugins.module_utils._plan.dependants import Stock, children_first, settle
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.retiring import plan_deletion
from ansible_collections.golden.libvirt.plugins.module_utils._run import debris, image
from ansible_collections.golden.libvirt.plugins.module_utils._run.parting import partings, plan_of
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.stock import stock_of
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded

RETIRED, LEFT, HALF = "retention", "interrupted run", "interrupted deletion"


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """What was kept of clones to go back to, where its time is over, and what dead runs have left of clones; then the
    versions, which these may have kept.

    One plan per version that the rule or an interrupted run condemns; it stays where something depends on it.
    """
    pool, asked = params["image_pool"], [*dict.fromkeys(map(names.check_image, params["images"] or []))]
    rule = rule_of(params)
    over = {parting.item: parting for parting in partings(bench, pool, asked)}
    stock = stock_of(bench, pool, leaving=[before for parting in over.values() for before in parting.over])
    kept = guarded(list(over), lambda item: plan_of(bench, over[item], stock))
    going = [over[plan.item] for plan in kept if isinstance(plan, Plan) and plan.actions]
    if len(going) < len(over):  # what stays keeps what it is built on
        stock = stock_of(bench, pool, leaving=[before for parting in going for before in parting.over])
    clones = debris.half_made(bench, stock, asked)
    records = debris.torn_records(bench, pool, stock, asked)
    stock = debris.without(bench, stock, [*kept, *clones])
    condemned = dict(condemned_in(stock, rule, asked))
    staying = settle(stock, condemned)
    items = {f"{of.image} {of.version}": of for of in children_first(stock, condemned)}

    def one(item: str) -> Plan:
        of = items[item]
        why, reason = condemned[of], f"pruned: {condemned[of]}"
        if of in staying:
            result = {"image": of.image, "version": of.version, "why": why, "kept": staying[of]}
            return Plan(item, result={**result, "volumes": [], "bytes": 0})
        going = plan_deletion(stock, of, pool, reason=reason, obstacles=(), holder=None)
        return Plan(
            item,
            going.actions,
            going.before,
            going.after,
            result={**going.result, "why": why, "kept": []},
            warnings=going.warnings,
        )

    staying_whole = replace(stock, versions={of: it for of, it in stock.versions.items() if of not in items.values()})
    beside = debris.parts_beside(pool, staying_whole, asked)
    return (*kept, *clones, *guarded(list(items), one), *records, *beside)


def rule_of(params: Params) -> retention.Rule:
    """What may go, the options checked."""
    age, before = params["max_age"], None
    if age is not None:
        before = holder.time_of(time.time() - seconds_of(age))
    if params["keep_last"] is not None and params["keep_last"] < 1:
        raise Refused("reading keep_last", "the newest version always stays", "Set it to 1 or more.")
    return retention.Rule(params["keep_last"], before, tuple(params["keep_labels"]))


def condemned_in(stock: Stock, rule: retention.Rule, asked: Sequence[str]) -> Iterator[tuple[Lineage, str]]:
    """What may go, each with why."""
    for name in asked or sorted(stock.states):
        state = stock.states.get(name, State())
        here = {of: version for of, version in stock.versions.items() if of.image == name}
        for of in here:
            if states.said_of(state, of.version).get("state") == states.ABSENT:
                yield of, HALF
        for of in retention.due(rule, here.values()):
            yield of, RETIRED
    for of in stock.volumes:
        if of not in stock.versions and (not asked or of.image in asked) and abandoned(stock, of):
            yield of, LEFT


def abandoned(stock: Stock, of: Lineage) -> bool:
    """Whether nobody completes a version any more: its claim's holder is dead, or its deletion had begun.

    Without either, somebody may be copying it here by hand: then its files must have been left alone for as long as a
    claim holds.
    """
    state = stock.states.get(of.image, State())
    if of.version in state.claims or of.version in state.states:
        return image.maker(stock, of) is None
    files = [stock.files[path] for path in stock.paths(of) if path in stock.files]
    return all(debris.old(file) for file in files)


PRUNE = Verb("versions", plan)
