# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb promote: a domain becomes a version of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import (
    backup,
    copying,
    domains,
    files,
    freezing,
    snapshots,
    volumes,
)
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.copying import Copy
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder, manifest
from ansible_collections.golden.libvirt.plugins.module_utils._image.claims import Claims
from ansible_collections.golden.libvirt.plugins.module_utils._image.repository import Repository
from ansible_collections.golden.libvirt.plugins.module_utils._model import Lineage, Version
from ansible_collections.golden.libvirt.plugins.module_utils._plan import promote as steps
from ansible_collections.golden.libvirt.plugins.module_utils._plan.freeze import DigestVersion, shelter_of
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.promotable import Asked, Shelf
from ansible_collections.golden.libvirt.plugins.module_utils._run import channel, freeze, promotable, trust
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.stock import refuse_needed
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded
from ansible_collections.golden.libvirt.plugins.module_utils._version import VERSION

# A manifest's digests and sizes are longer than in the draft that room is made for.
PER_PART = 128
# Under what a bench has learned that a guest was not quiesced, and why.
FALLBACK = "why not quiesced"


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """The plan for the one domain."""
    asked = asked_for(params)
    if asked.checksum == "deferred" and not asked.freeze:
        raise Refused(
            "reading checksum", "a copy is digested while it is made", "Leave it out, or say 'method: freeze'."
        )

    def one(name: str) -> Plan:
        shelf = shelf_of(bench.repository(asked.pool), asked.image)
        source = promotable.source_of(bench, name, asked)
        made = steps.plan_promote(source, asked, shelf, by_whom(bench))
        for action in made.actions:
            if isinstance(action, steps.ClaimVersion) and action.replacing:
                refuse_needed(bench, asked.pool, Lineage(asked.image, action.version), f"promoting {name}")
        if asked.signing_key and any(isinstance(action, steps.CommitVersion) for action in made.actions):
            trust.prove_key(bench, asked.signing_key, f"promoting {name} to a version of {asked.image}")
        version = next((of for of in shelf.versions if of.version == made.result["version"]), None)
        return replace(
            made, item=name, result={**made.result, "manifest": manifest.facts(version) if version else None}
        )

    return guarded([params["domain"]], one)


def asked_for(params: Params) -> Asked:
    """The options, their names checked."""
    return Asked(
        image=names.check_image(params["image"]),
        pool=params["image_pool"],
        version=names.check_version(params["version"]) if params["version"] is not None else None,
        channels=tuple(dict.fromkeys(names.check_channel(name) for name in params["channels"])),
        sealed=params["sealed"],
        recipe=params["recipe"],
        force=params["force"],
        description=params["description"],
        labels={name: str(value) for name, value in params["labels"].items()},
        provenance=params["provenance"],
        rename_to=params["rename_to"],
        compress=params["compress"] if params["compress"] != "none" else "",
        snapshot=params["snapshot"],
        live=params["live"],
        quiesce=params["quiesce"],
        tpm=params["tpm"],
        freeze=params["method"] == "freeze",
        checksum=params["checksum"],
        signing_key=params["signing_key"],
        protect=params["protect"],
    )


def shelf_of(repository: Repository, image: str) -> Shelf:
    """All that the image holds."""
    state = repository.state(image)  # first: what is complete has no claim any more
    there = {version: repository.find(image, version) for version in repository.versions(image)}
    unfinished = [version for version, found in there.items() if not found]
    return Shelf(
        versions=tuple(found for found in reversed(list(there.values())) if found),
        state=state,
        unfinished={version: tuple(repository.volumes_of(image, version)) for version in unfinished},
        held={
            version: holder.described(claim)
            for version, claim in state.claims.items()
            if not there.get(version) and holder.alive(claim)
        },
    )


def by_whom(bench: Bench) -> dict[str, str]:
    """Who promotes, when, and on what machine."""
    host = domains.host(bench.hypervisor)
    return {
        "created": holder.now(),
        "created_by": holder.who(),
        "host": host["hostname"],
        "libvirt": host["libvirt"],
        "hypervisor": host["hypervisor"],
        "collection": VERSION,
    }


@perform.register
def claim_version(action: steps.ClaimVersion, bench: Bench) -> Undo:
    pool = bench.pool(action.pool)
    claims = Claims(pool, action.image, holder.this_process())
    growing = (len(action.draft.disks) + 1) * PER_PART + trust.MOST_BYTES
    claims.take(action.version, len(manifest.bytes_of(action.draft)) + growing)
    manifest_volume = names.manifest_volume(action.image, action.version)
    try:
        left = [of for of in Repository(pool).volumes_of(action.image, action.version) if of != manifest_volume]
        if left:
            bench.repositories.pop(action.pool, None)
            of = Lineage(action.image, action.version)
            refuse_needed(bench, action.pool, of, f"promoting to {of.image} {of.version}")
        for volume in left:
            pool.delete(volume)  # of a run that died: libvirt may still be building it
    except BaseException:
        claims.release(action.version)
        raise
    return lambda: claims.release(action.version)


@perform.register
def copy_part(action: steps.CopyPart, bench: Bench) -> Undo:
    pool = bench.pool(action.pool)
    wanted = Copy(action.source, action.volume, action.capacity, action.format, action.snapshot, action.compress or "")
    digest = copying.copy(bench.hypervisor, pool, wanted, bench.tell, bench.execute)
    bench.learned[action.volume] = {"size": pool.read(action.volume).size, "sha256": digest}
    return lambda: delete_part(pool, action.volume)


@perform.register
def copy_running(action: steps.CopyRunning, bench: Bench) -> Undo:
    pool, watch = bench.pool(action.pool), backup.Watch(bench.ending, bench.tell)
    made = [*action.disks.values(), *([action.nvram_volume] if action.nvram_volume else [])]
    bench.learned.pop(FALLBACK, None)

    def undo() -> None:
        for volume in made:
            delete_part(pool, volume)

    try:
        for target, volume in action.disks.items():
            copying.begin(pool, volume, action.capacities[target])
        targets = {target: pool.path_of(volume) for target, volume in action.disks.items()}
        variables = copying.reader(bench.hypervisor, action.nvram)
        pushed = backup.push(
            bench.hypervisor, action.domain, targets, quiesce=action.quiesce, watch=watch, aside=variables
        )
        for volume in action.disks.values():
            bench.learned[volume] = copying.finished(pool, volume)
        if action.nvram_volume:
            bench.learned[action.nvram_volume] = copying.written(pool, action.nvram_volume, pushed.aside)
    except BaseException:
        undo()
        raise
    if pushed.fallback:
        bench.learned[FALLBACK] = {"consistency": "crash", "fallback": pushed.fallback}
    return undo


def delete_part(pool: volumes.Pool, volume: str) -> None:
    """Delete a volume of a version that is not complete, unless somebody else has taken that over."""
    named = names.parsed(volume)
    if named and Claims(pool, named.image, holder.this_process()).holds(named.version):
        pool.delete(volume)


def refuse_if_changed(action: steps.CommitVersion, bench: Bench) -> None:
    """Refuse where what was copied is not what it was: the domain was started, say, or the snapshot deleted."""
    draft, witness = action.draft, action.draft.provenance.get("witness", {})
    doing = f"promoting to {draft.image} {draft.version}"
    advice = "Shut the domain down, leave it off, and run this again."
    for then in action.unchanged:
        now = files.find_at(bench.hypervisor, then.path)
        if not now or (now.mtime, now.size) != (then.mtime, then.size):
            raise GoldenError(doing, f"{then.path} was written to while it was copied", advice)
    for path, volume in action.overlays.items():
        freezing.require_laid(path, shelter_of(path), bench.pool(action.pool).path_of(volume))
    if "snapshot" in witness:
        said = witness["snapshot"]
        there = snapshots.read(bench.hypervisor, draft.provenance["domain"]["name"], said["name"], doing)
        if there.created != said["created"]:
            raise GoldenError(doing, f"snapshot {there.name} was taken anew while it was copied", "Run this again.")


@perform.register
def commit_version(action: steps.CommitVersion, bench: Bench) -> Undo:
    draft = action.draft
    refuse_if_changed(action, bench)
    consistency = bench.learned.get(FALLBACK, draft.provenance)["consistency"]
    version = replace(
        draft,
        provenance={**draft.provenance, "consistency": consistency},
        disks=tuple(replace(disk, **bench.learned[disk.volume]) for disk in draft.disks),
        nvram=replace(draft.nvram, **bench.learned[draft.nvram.volume]) if draft.nvram else None,
    )
    if action.signed_with:
        version = trust.signed(bench, action.signed_with, version)
    Claims(bench.pool(action.pool), action.image, holder.this_process()).commit(version, protect=action.protect)
    bench.learned[action.version] = version
    return None


def finish(bench: Bench, params: Params, done: Plan) -> Mapping[str, Any]:
    """The manifest of a version that was made."""
    version: Version | None = bench.learned.get(done.result["version"])
    if any(isinstance(action, DigestVersion) for action in done.actions):
        version = Repository(bench.pool(params["image_pool"])).find(done.result["image"], done.result["version"])
    return {"manifest": manifest.facts(version), **bench.learned.get(FALLBACK, {})} if version else {}


PROMOTE = Verb("versions", plan, finish)

__all__ = ["PROMOTE", "channel", "freeze"]  # channel assigns channels, freeze freezes in place
