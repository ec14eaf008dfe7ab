# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb transfer: versions from the pool of another hypervisor into this one's."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import deltas
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.carrying import carry
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.progress import Progress
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._image.claims import Claims
from ansible_collections.golden.libvirt.plugins.module_utils._image.repository import Repository
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Lineage,
    State,
    Version,
    VersionDisk,
    VersionNvram,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.dependants import Stock
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.report import ancestors
from ansible_collections.golden.libvirt.plugins.module_utils._plan.states import (
    ABSENT,
    reason_of,
    refuse_revoked,
    said_of,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.transfer import (
    RSYNC,
    STREAMS,
    BringVersion,
    Wanted,
    nearest,
    plan_transfer,
)
from ansible_collections.golden.libvirt.plugins.module_utils._run.image_info import ancestors_in
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.stock import refuse_needed
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded
from ansible_collections.golden.libvirt.plugins.module_utils._run.trust import refusal, signers_in
from ansible_collections.golden.libvirt.plugins.module_utils._xml.volume import FROZEN, new_volume


@dataclass(frozen=True)
class Origin:
    """Where the versions come from: those *wanted*, why some of them are not trusted, all that they were built from,
    what is said of them."""

    wanted: Sequence[Wanted]
    untrusted: Mapping[str, GoldenError | None]
    above: Mapping[Lineage, Version]
    state: State
    directory: str


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """One plan per version."""
    image, pool = names.check_image(params["image"]), params["image_pool"]
    origin = read_origin(bench, image, params)
    wanted = {of.words: of for of in origin.wanted}
    here = bench.repository(pool)
    there = {item: here.find(image, of.version.version) for item, of in wanted.items()}
    missing = [of for item, of in wanted.items() if not there[item]]
    bases = {} if params["method"] == STREAMS else bases_for(missing, here, origin.above)
    reason = why_not_rsync(bench, params, origin, missing, bases)

    def one(item: str) -> Plan:
        refuse_revoked(f"bringing {item}", wanted[item].version.version, origin.state)
        if error := origin.untrusted[item]:
            raise error
        if not there[item]:
            refuse_deleted(item, wanted[item].version, here, pool)
        return plan_transfer(wanted[item], there[item], pool, None if reason else bases.get(item), reason)

    return guarded(list(wanted), one)


def refuse_deleted(item: str, version: Version, here: Repository, pool: str) -> None:
    """Raise where a version of that name was deleted here: it would arrive as deleted, and be pruned."""
    said = said_of(here.state(version.image), version.version)
    if said.get("state") == ABSENT:
        raise Refused(
            f"bringing {item} to pool {pool}",
            f"version {version.version} was deleted here: {reason_of(said)}",
            "The name of a deleted version stays taken: promote it there under another one, and bring that.",
        )


def read_origin(here: Bench, image: str, params: Params) -> Origin:
    uri, source, signers = params["from_uri"], params["from_pool"] or params["image_pool"], signers_in(params)
    with Hypervisor(uri) as far:
        bench = Bench(far)
        repository = bench.repository(source)
        asked = [repository.resolve(image, name) for name in params["versions"]]
        wanted = [Wanted(of, repository.document(of), uri, source, params["protect"]) for of in asked]
        return Origin(
            wanted=wanted,
            untrusted={
                of.words: refusal(here, signers, repository, of.version, f"bringing {of.words}") for of in wanted
            },
            above=ancestors_in(repository, asked),
            state=repository.state(image),
            directory=bench.pool(source).path,
        )


def bases_for(missing: Sequence[Wanted], here: Repository, above: Mapping[Lineage, Version]) -> dict[str, Version]:
    """For each version that is to come the one that has most in common with it, of those that are *here* and those
    that come before it."""
    found: dict[str, Version] = {}
    coming: dict[Lineage, Version] = {}
    for of in missing:
        wanted = of.version
        ancestry = [wanted.lineage, *ancestors(above, wanted.lineage)] if wanted.lineage else []
        there = {*here.versions(wanted.image), *(lineage.version for lineage in coming)}
        like = (coming.get(at) or here.find(at.image, at.version) for at in nearest(wanted, ancestry, there))
        basis = next((version for version in like if version), None)
        if basis:
            found[of.words] = basis
        coming[Lineage(wanted.image, wanted.version)] = wanted
    return found


def why_not_rsync(
    bench: Bench, params: Params, origin: Origin, missing: Sequence[Wanted], bases: Mapping[str, Version]
) -> str:
    """Why rsync cannot be used, empty where it can or nobody asks; Refused where it must be used."""
    must = params["method"] == RSYNC
    if params["method"] == STREAMS or not missing or not (bases or must):
        return ""
    path = posixpath.join(origin.directory, missing[0].version.parts[0].volume)
    try:
        deltas.way_to(bench.pool(params["image_pool"]), params["from_uri"], path, bench.execute)
    except deltas.NoWay as err:
        if must:
            advice = "Make that possible, or leave 'method' out."
            raise Refused(f"bringing {missing[0].words} by rsync", str(err), advice) from err
        return str(err)
    return ""


@perform.register
def bring_version(action: BringVersion, bench: Bench) -> Undo:
    """What has arrived stays when this fails: the next run goes on there."""
    pool, version = bench.pool(action.pool), action.manifest
    claims = Claims(pool, action.image, holder.this_process())
    claims.take(action.version, len(action.document))
    try:
        missing = [part for part in version.parts if not there_already(pool, part)]
        make_way(action, pool, missing, bench)
        with Hypervisor(action.origin) as far:
            source = Bench(far).pool(action.source)
            received = sum(arrive(action, source, pool, part, bench) for part in missing)
        for part in version.parts:
            pool.flush(part.volume)
        claims.commit(version, action.document, protect=action.protect)
    except BaseException:
        claims.release(action.version)
        raise
    bench.learned[f"{action.image} {action.version}"] = {"received": received}
    return None


def there_already(pool: Pool, part: VersionDisk | VersionNvram) -> bool:
    """Whether a volume is whole, of a version whose manifest was lost, and its file is nobody else's."""
    return pool.find(part.volume) is not None and pool.links(part.volume) in (1, None) and arrived(pool, part)


def make_way(action: BringVersion, pool: Pool, missing: Sequence[VersionDisk | VersionNvram], bench: Bench) -> None:
    """See that what is there of *missing* volumes may be gone on with, of a version whose manifest was lost too:
    Refused where something depends on the version's files. A file that has other names only loses this one."""
    begun = [part.volume for part in missing if pool.find(part.volume)]
    if not begun:
        return
    bench.repositories.pop(action.pool, None)  # which was listed before the version was claimed
    of = Lineage(action.image, action.version)
    stock = refuse_needed(bench, action.pool, of, f"bringing {action.image} {action.version} to pool {action.pool}")
    for volume in begun:
        pool.unprotect(volume)
        if shared(stock, pool, volume):
            pool.delete(volume)


def shared(stock: Stock, pool: Pool, volume: str) -> bool:
    """Whether a volume's file may have another name, as where a run died that froze a disk in place. libvirt does not
    tell: from afar it is one that is as long as another file."""
    links = pool.links(volume)
    if links is not None:
        return links > 1
    path, size = pool.path_of(volume), pool.read(volume).size
    return any(file.size == size for other, file in stock.files.items() if other != path)


def arrive(action: BringVersion, source: Pool, pool: Pool, part: VersionDisk | VersionNvram, bench: Bench) -> int:
    """Bring one volume and see that it arrived as it was promoted; returns how many bytes came for that."""
    basis = action.bases.get(part.volume)
    if basis and pool.at_hand(basis):
        bench.tell(f"{part.volume}: rsync builds on {basis}")
        wanted = deltas.Delta(source.path_of(part.volume), pool.path_of(part.volume), pool.path_of(basis), part.size)
        received = deltas.bring(deltas.way_along(action.origin), wanted, bench.execute)
        whole = arrived(pool, part)
    else:
        received, whole = through_streams(source, pool, part, bench)
    if whole:
        return received
    pool.delete(part.volume)
    raise GoldenError(
        f"bringing volume {part.volume} from {source.hypervisor.uri}",
        "what arrived is not what was promoted",
        "See whether it is damaged there: golden.libvirt.image_info with 'verify: true'.",
    )


def through_streams(source: Pool, pool: Pool, part: VersionDisk | VersionNvram, bench: Bench) -> tuple[int, bool]:
    """The same through libvirt. What an earlier run left is gone on with, and goes where it does not fit."""
    received, progress = 0, Progress(part.volume, part.size, bench.tell)
    for begun in (pool.find(part.volume), None):
        if begun is None:
            pool.delete(part.volume)
            pool.create(new_volume(part.volume, 0, "raw", mode=FROZEN), part.volume)
        there = begun.size if begun else 0
        if there <= part.size:
            received += carry(source, pool, part.volume, there, progress)
        if arrived(pool, part):
            return received, True
    return received, False


def arrived(pool: Pool, part: VersionDisk | VersionNvram) -> bool:
    pool.refresh()
    return pool.read(part.volume).size == part.size and pool.sha256(part.volume) == part.sha256


def finish(bench: Bench, params: Params, done: Plan) -> Mapping[str, Any]:
    """How much came over the network."""
    learned: Mapping[str, Any] = bench.learned.get(done.item, {})
    return learned


TRANSFER = Verb("versions", plan, finish)
