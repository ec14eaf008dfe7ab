# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb promote: a domain becomes a version of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import copying, domains, files, volumes
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.copying import Copy
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder, manifest
from ansible_collections.golden.libvirt.plugins.module_utils._image.claims import Claims
from ansible_collections.golden.libvirt.plugins.module_utils._image.repository import Repository
from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, Lineage, Version, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan import promote as steps
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._plan.promotable import Asked, Shelf, Source
from ansible_collections.golden.libvirt.plugins.module_utils._run import channel, disks, trust
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded
from ansible_collections.golden.libvirt.plugins.module_utils._version import VERSION

# A manifest's digests and sizes are longer than in the draft that room is made for.
PER_PART = 128


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """The plan for the one domain."""
    asked = asked_for(params)

    def one(name: str) -> Plan:
        shelf = shelf_of(bench.repository(asked.pool), asked.image)
        made = steps.plan_promote(source_of(bench, name, asked), asked, shelf, by_whom(bench))
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
        signing_key=params["signing_key"],
        protect=params["protect"],
    )


def shelf_of(repository: Repository, image: str) -> Shelf:
    """All that the image holds."""
    there = {version: repository.find(image, version) for version in repository.versions(image)}
    unfinished = [version for version, found in there.items() if not found]
    state = repository.state(image)
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


def source_of(bench: Bench, name: str, asked: Asked) -> Source:
    """The domain as it is; one that an earlier run has renamed already is found by its new name."""
    hypervisor = bench.hypervisor
    there = domains.names(hypervisor)
    if name not in there and asked.rename_to in there:
        name = asked.rename_to or name
    domain = domains.read(hypervisor, name)
    found = disks.written(bench, domain)
    nvram = domain.firmware.nvram
    return Source(
        domain=domain,
        disks=found,
        nvram=files.find_at(hypervisor, nvram) if nvram else None,
        lineage=lineage_of(bench, domain, found, asked),
        local=hypervisor.local,
        saved=domains.saved(hypervisor, name),
        snapshots=domains.snapshot_count(hypervisor, name) if asked.rename_to else 0,
        taken=asked.rename_to in there,
    )


def lineage_of(bench: Bench, domain: Domain, found: Mapping[str, Volume | None], asked: Asked) -> Lineage | None:
    """The version that the domain's disks are overlays of, or else that its metadata says it was struck from."""
    for volume in found.values():
        below = disks.version_below(bench, volume, bench.pool(asked.pool)) if volume else None
        if below:
            return below
    origin = domain.record.origin
    return Lineage(origin.image, origin.version) if origin and origin.complete and origin.image else None


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
    for volume in Repository(pool).volumes_of(action.image, action.version):
        if volume != names.manifest_volume(action.image, action.version):
            pool.delete(volume)  # of a run that died: libvirt may still be building it
    return lambda: claims.release(action.version)


@perform.register
def copy_part(action: steps.CopyPart, bench: Bench) -> Undo:
    pool = bench.pool(action.pool)
    wanted = Copy(action.source, action.volume, action.capacity, action.format, compress=action.compress or "")
    digest = copying.copy(bench.hypervisor, pool, wanted, bench.tell, bench.execute)
    bench.learned[action.volume] = {"size": pool.read(action.volume).size, "sha256": digest}
    return lambda: delete_part(pool, action.volume)


def delete_part(pool: volumes.Pool, volume: str) -> None:
    """Delete a volume of a version that is not complete, unless somebody else has taken that over."""
    named = names.parsed(volume)
    if named and Claims(pool, named.image, holder.this_process()).holds(named.version):
        pool.delete(volume)


def refuse_if_changed(draft: Version, bench: Bench) -> None:
    """Refuse where a file that was copied was written to since: the domain was started, say."""
    for of in draft.provenance.get("witness", {}).get("files", ()):
        now = files.find_at(bench.hypervisor, of["path"])
        if not now or (now.mtime, now.size) != (of["mtime"], of["size"]):
            raise GoldenError(
                f"promoting to {draft.image} {draft.version}",
                f"{of['path']} was written to while it was copied",
                "Shut the domain down, leave it off, and run this again.",
            )


@perform.register
def commit_version(action: steps.CommitVersion, bench: Bench) -> Undo:
    draft = action.draft
    refuse_if_changed(draft, bench)
    version = replace(
        draft,
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
    return {"manifest": manifest.facts(version)} if version else {}


PROMOTE = Verb("versions", plan, finish)

__all__ = ["PROMOTE", "channel"]  # channel performs the assignment of channels
