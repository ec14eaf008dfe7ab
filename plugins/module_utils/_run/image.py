# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb image: what versions are said to be, and deleting them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._image.claims import Claims
from ansible_collections.golden.libvirt.plugins.module_utils._image.journal import Journal
from ansible_collections.golden.libvirt.plugins.module_utils._model import Lineage, State
from ansible_collections.golden.libvirt.plugins.module_utils._plan import retiring, states
from ansible_collections.golden.libvirt.plugins.module_utils._plan.dependants import (
    Stock,
    children_first,
    dependants,
    settle,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.stock import stock_of, versions_in
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """One plan per version, descendants too; of those that are to be deleted the children first."""
    image = names.check_image(params["image"])
    asked = [Lineage(image, names.check_version(version)) for version in dict.fromkeys(params["versions"])]
    states.check_date(params["date"])
    if params["state"] == states.ABSENT:
        return deletions(stock_of(bench, params["image_pool"]), asked, params["image_pool"], params["reason"])
    return changes(bench, asked, params)


def changes(bench: Bench, asked: Sequence[Lineage], params: Params) -> Sequence[Planned]:
    """What is to be said of each version."""
    pool, repository = params["image_pool"], bench.repository(params["image_pool"])

    def one(item: str) -> Plan:
        of, root = items[item]
        repository.resolve(of.image, version=of.version)
        change = states.SetState(of.image, of.version, params["state"], pool, params["reason"], params["date"])
        if of not in asked:
            change = replace(change, through=f"{root.image} {root.version}")
        return states.plan_state(change, repository.state(of.image))

    known = [Lineage(image, version) for image in repository.names() for version in repository.versions(image)]
    versions = versions_in(repository, known).values() if params["cascade"] else ()
    items = {f"{of.image} {of.version}": (of, root) for of, root in states.descendants_of(asked, versions).items()}
    return guarded(list(items), one)


def deletions(stock: Stock, asked: Sequence[Lineage], pool: str, reason: str | None) -> Sequence[Planned]:
    """The plans to delete versions."""
    staying = settle(stock, asked)

    def one(item: str) -> Plan:
        of = items[item]
        return retiring.plan_deletion(
            stock, of, pool, reason=reason, obstacles=staying.get(of, ()), holder=maker(stock, of)
        )

    items = {f"{of.image} {of.version}": of for of in children_first(stock, asked)}
    return guarded(list(items), one)


def maker(stock: Stock, of: Lineage) -> str | None:
    """Who is making a version right now, in words."""
    claim = stock.states.get(of.image, State()).claims.get(of.version)
    return holder.described(claim) if claim and of not in stock.versions and holder.alive(claim) else None


@perform.register
def set_state(action: states.SetState, bench: Bench) -> Undo:
    """Say it. From then on nothing new is made of a version that is to go: what was made until then is looked for."""
    journal = Journal(bench.pool(action.pool), action.image)
    before = journal.settled()[1].state
    journal.change(lambda state: states.restated(state, action, by()))

    def undo() -> None:
        journal.change(lambda state: states.put_back(state, action, before, by()))

    if action.state == states.ABSENT:
        of = Lineage(action.image, action.version)
        obstacles = dependants(stock_of(replace(bench, pools={}, repositories={}), action.pool), of)
        if obstacles:
            undo()
            doing = f"deleting {action.image} {action.version}"
            raise Refused(doing, "something has come to depend on it", "Remove that first.", obstacles=obstacles)
    return undo


def by() -> dict[str, str]:
    return {"created": holder.now(), "by": holder.who()}


@perform.register
def delete_version(action: retiring.DeleteVersion, bench: Bench) -> Undo:
    pool, manifest = bench.pool(action.pool), names.manifest_volume(action.image, action.version)
    for volume in sorted(action.volumes, key=lambda volume: volume != manifest):
        pool.delete(volume)
    return None


@perform.register
def delete_leftovers(action: retiring.DeleteLeftovers, bench: Bench) -> Undo:
    """Claimed first, so that no other run makes this version meanwhile."""
    pool = bench.pool(action.pool)
    claims = Claims(pool, action.image, holder.this_process())
    claims.journal.change(lambda state: claims.claimed(state, action.version))
    try:
        for volume in action.volumes:
            pool.delete(volume)
    finally:
        claims.release(action.version)
    return None


IMAGE = Verb("versions", plan)
