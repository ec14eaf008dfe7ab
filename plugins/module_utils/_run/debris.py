# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs that died have left beside versions: clones that never were whole, journal records that nobody reads,
parts of files."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._image.journal import Journal
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, State, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.actions import DeleteVolume, UndefineDomain
from ansible_collections.golden.libvirt.plugins.module_utils._plan.dependants import Stock
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._run.clone import removals
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Failed, Planned

CLONE, WRITE = "interrupted clone", "interrupted write"


def half_made(bench: Bench, stock: Stock, asked: Collection[str]) -> list[Planned]:
    """The plans to remove the clones of these images, or of all, that died with the run which made them."""
    found = {
        of.domain.name: of.domain
        for of in stock.descendants
        if of.lineage and (not asked or of.lineage.image in asked) and orphaned(bench, of.domain)
    }
    planned = removals(bench, list(found), {"image": None, "label": None})
    return [item if isinstance(item, Failed) else told(item, found[item.item], stock) for item in planned]


def orphaned(bench: Bench, domain: Domain) -> bool:
    """Whether the run that made a clone has died over it. One that somebody has started all the same is left alone,
    also where it was put to disk with its memory since."""
    origin = domain.record.origin
    dead = origin and not origin.complete and origin.holder and not holder.alive(origin.holder)
    return bool(dead and domain.off and not domains.has_saved_memory(bench.hypervisor, domain.name))


def told(plan: Plan, domain: Domain, stock: Stock) -> Plan:
    origin = domain.record.origin
    told_of = {"image": origin.image, "version": origin.version} if origin else {}
    return replace(plan, result={**told_of, **freeing(plan, stock, CLONE)})


def freeing(plan: Plan, stock: Stock, why: str) -> dict[str, object]:
    """What deleting the volumes of a plan frees."""
    volumes = [(action.pool, action.volume) for action in plan.actions if isinstance(action, DeleteVolume)]
    sizes = {(file.pool, file.name): file.allocation for file in stock.files.values()}
    return {
        "why": why,
        "kept": [],
        "volumes": [volume for _pool, volume in volumes],
        "bytes": sum(sizes.get(volume, 0) for volume in volumes),
    }


def without(bench: Bench, stock: Stock, removing: Sequence[Planned]) -> Stock:
    """*stock* once what *removing* says is done."""
    plans = [item for item in removing if isinstance(item, Plan)]
    gone = {
        bench.pool(action.pool).path_of(action.volume)
        for plan in plans
        for action in plan.actions
        if isinstance(action, DeleteVolume)
    }
    removed = {action.domain for plan in plans for action in plan.actions if isinstance(action, UndefineDomain)}
    return replace(
        stock,
        files={path: file for path, file in stock.files.items() if path not in gone},
        users={path: set(users) - removed for path, users in stock.users.items()},
        descendants=[of for of in stock.descendants if of.domain.name not in removed],
    )


def torn_records(bench: Bench, pool: str, stock: Stock, asked: Collection[str]) -> Iterator[Plan]:
    """The plans to delete the records that were never filled, one per journal.

    A later record stands, so nothing builds on these any more: a writer that still lives finds that it was overtaken.
    It would find its volume gone instead, so that they are left to it for as long as a claim holds.
    """
    for image in sorted(asked or stock.states):
        journal, newest = Journal(bench.pool(pool), image), stock.states.get(image, State()).serial
        torn = [
            file.name
            for file, serial in records(stock, image)
            if serial < newest and old(file) and file.allocation < file.size and journal.read(serial) is None
        ]
        if torn:
            yield removing(f"journal of {image}", pool, sorted(torn), stock, {"image": image, "version": ""})


def parts_beside(pool: str, stock: Stock, asked: Collection[str]) -> Iterator[Plan]:
    """The plans to remove what was being received of versions that came whole in another way, one per version."""
    for of in stock.versions:
        beside = [name for name in stock.volumes[of] if (named := names.parsed(name)) and named.kind == "receiving"]
        paths = {name: posixpath.join(stock.directory, name) for name in beside}
        there = [name for name, path in paths.items() if path in stock.files and old(stock.files[path])]
        if there and (not asked or of.image in asked):
            told_of = {"image": of.image, "version": of.version}
            yield removing(f"beside {of.image} {of.version}", pool, there, stock, told_of)


def removing(item: str, pool: str, going: Sequence[str], stock: Stock, told_of: Mapping[str, str]) -> Plan:
    """The plan to remove the volumes *going*, which somebody has begun to write."""
    plan = Plan(item, tuple(DeleteVolume(pool, name) for name in going))
    return replace(
        plan,
        before={"volumes": list(going)},
        after={"volumes": []},
        result={**told_of, **freeing(plan, stock, WRITE)},
    )


def records(stock: Stock, image: str) -> Iterator[tuple[Volume, int]]:
    """The volumes of an image's journal, each with its serial."""
    for path, file in stock.files.items():
        named = names.parsed(file.name) if posixpath.dirname(path) == stock.directory else None
        if named and (named.kind, named.image) == ("journal", image):
            yield file, named.serial


def old(file: Volume) -> bool:
    """Whether nobody has written to a file for as long as a claim holds."""
    return float(file.mtime or 0) < time.time() - holder.LEASE_SECONDS
