# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Promoting in place: what is read of the files before, and how its actions are carried out."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import (
    chains,
    domains,
    files,
    freezing,
    inside,
)
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.progress import Progress
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.streams import file_errors
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._image.claims import Claims
from ansible_collections.golden.libvirt.plugins.module_utils._image.journal import Journal
from ansible_collections.golden.libvirt.plugins.module_utils._model import Disk, Domain, State, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan import freeze
from ansible_collections.golden.libvirt.plugins.module_utils._plan.dependants import Stock
from ansible_collections.golden.libvirt.plugins.module_utils._plan.freeze import Facts, shelter_of
from ansible_collections.golden.libvirt.plugins.module_utils._run import disks
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.stock import stock_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml import metadata as metadata_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import disks_with_chains
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import parse


@dataclass(frozen=True)
class Ground:
    """The disks of a domain as freezing sees them: *disks* as if what a killed run has laid over their files were taken
    back, and *facts* of these. *named* are the volumes of complete versions, by path."""

    disks: Mapping[str, Volume | None]
    facts: Mapping[str, Facts] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)


def ground_of(bench: Bench, domain: Domain, pool: str) -> Ground:
    """What freezing has to know of the disks' files, on this machine."""
    chains.covered(bench.hypervisor, (chains.file_of(bench.hypervisor, disk) for disk in domain.written_disks))
    keep_others_away(bench, domain)
    found, stock = disks.written(bench, domain), stock_of(bench, pool)
    named = {bench.pool(pool).path_of(disk.volume): disk.volume for of in stock.versions.values() for disk in of.disks}
    reader = Reader(bench, domain, bench.pool(pool), stock, named)
    with file_errors(f"reading the files of {domain.name}"):
        facts = {
            disk.target: reader.facts(disk, volume) for disk in domain.written_disks if (volume := found[disk.target])
        }
    seen = {target: reader.taken_back(volume, facts.get(target)) for target, volume in found.items()}
    return Ground(seen, facts, named)


def keep_others_away(bench: Bench, domain: Domain) -> None:
    """See that no other run freezes the domain's files, whatever image and pool that is for."""
    for path in (chains.file_of(bench.hypervisor, disk) for disk in domain.written_disks):
        if path and freezing.regular(path):
            freezing.keep_others_away(bench.hypervisor, path, shelter_of(path))


class Reader:
    """Reads the files of a *domain*'s disks, of which the image *pool* and the *stock* of it know more."""

    def __init__(self, bench: Bench, domain: Domain, pool: Pool, stock: Stock, named: Mapping[str, str]) -> None:
        self.hypervisor = bench.hypervisor
        self.domain = domain
        self.pool = pool
        self.stock = stock
        self.named = named
        self.fixed = disks_with_chains(domain.xml)

    def facts(self, disk: Disk, volume: Volume) -> Facts:
        path = volume.path
        if volume.format != "qcow2" or not freezing.regular(path):
            return Facts(path, regular=freezing.regular(path))
        shelter = self.shelter(volume)
        file = shelter_of(path) if shelter == "below" else path
        below = files.find_at(self.hypervisor, file) if shelter == "below" else volume
        try:
            problem, within = "", inside.snapshots_in(self.hypervisor, below) if below else ()
        except GoldenError as err:
            problem, within = err.reason, ()
        names_here = [path, shelter_of(path), beside := shelter_of(path) + freezing.OVERLAY]
        ours = freezing.left_over(path, shelter_of(path)) and not self.shared(beside)
        others = [self.pool.path_of(name) for name in self.pool.fresh_names()]
        twins = [other for other in others if other not in names_here and freezing.same_file(file, other)]
        frozen = next((self.named[twin] for twin in twins if twin in self.named), None) if shelter == "below" else None
        debris = [twin for twin in twins if twin not in self.named]
        known = len(debris) + (shelter == "same") + (frozen is not None) + freezing.same_file(file, beside)
        return Facts(
            path,
            near=os.stat(file).st_dev == os.stat(self.pool.path).st_dev,
            problem=problem,
            links=os.stat(file).st_nlink - 1 - known,
            snapshots=within,
            backing=self.pool.path_of(frozen) if frozen else below.backing if below else None,
            shared=tuple(self.shared(path)),
            fixed=disk.target in self.fixed,
            shelter=shelter,
            stray=beside if os.path.lexists(beside) and not ours else None,
            frozen=frozen,
            touched=shelter == "below" and not inside.untouched(self.hypervisor, volume),
        )

    def shelter(self, volume: Volume) -> str:
        """What there is under the name of a file's shelter."""
        shelter = shelter_of(volume.path)
        if not os.path.lexists(shelter):
            return ""
        if freezing.same_file(volume.path, shelter):
            return "same"
        below = volume.backing == shelter or freezing.same_file(shelter, volume.backing or "")
        return "below" if below else "foreign"

    def shared(self, path: str) -> list[str]:
        """Who else needs the file."""
        users = set(self.stock.users.get(path, ())) - {self.domain.name}
        return [f"domain {name}" for name in sorted(users)] + self.stock.overlays.get(path, [])

    def taken_back(self, volume: Volume | None, facts: Facts | None) -> Volume | None:
        """The volume as it is once a killed run's overlay over it is taken back."""
        if volume is None or facts is None or not facts.half or facts.touched:
            return volume
        below = files.find_at(self.hypervisor, shelter_of(volume.path))
        return replace(below, path=volume.path, name=volume.name) if below else volume


def untouched(bench: Bench, found: Mapping[str, Volume | None], pool: str, ground: Ground | None) -> dict[str, str]:
    """The disks that are overlays with nothing of their own on a volume in the image pool: {target: volume}."""
    if not bench.hypervisor.local:
        return {}
    directory, made = bench.pool(pool).path, {}
    for target, volume in found.items():
        facts = ground.facts.get(target) if ground else None
        below = facts.frozen if facts and facts.frozen else None
        if volume and volume.backing and posixpath.dirname(volume.backing) == directory:
            below = below or posixpath.basename(volume.backing)
        named = names.parsed(below or "")
        if below and named and named.kind == "disk" and volume and inside.untouched(bench.hypervisor, volume):
            made[target] = below
    return made


def pool_over(bench: Bench, path: str) -> Pool:
    """The pool over a file's directory."""
    return files.pool_at(bench.hypervisor, posixpath.dirname(path))


@perform.register
def freeze_part(action: freeze.FreezePart, bench: Bench) -> Undo:
    pool, volume = bench.pool(action.pool), action.volume
    name = pool.path_of(volume)

    def undo() -> None:
        parsed = names.parsed(volume)
        if parsed and Claims(pool, parsed.image, holder.this_process()).holds(parsed.version):
            freezing.drop_twin(name)
            pool.refresh()

    freezing.drop_name(name)  # what a dead run left: the claim is ours
    freezing.add_name(action.source, name)
    try:
        pool.refresh()
        pool.flush(volume)
        digest = digest_of(pool, volume, bench) if action.checksum == "now" else None
        bench.learned[volume] = {"size": pool.read(volume).size, "sha256": digest}
    except BaseException:
        undo()
        raise
    return undo


def digest_of(pool: Pool, volume: str, bench: Bench) -> str:
    return pool.sha256(volume, Progress(f"digesting {volume}", pool.read(volume).size, bench.tell).at)


@perform.register
def lay_overlay(action: freeze.LayOverlay, bench: Bench) -> Undo:
    beside, shelter = pool_over(bench, action.path), shelter_of(action.path)

    def undo() -> None:
        freezing.take_back(beside, action.path, shelter, lambda: runs_on(bench, action.domain, shelter))

    freezing.add_name(action.path, shelter)
    try:
        beside.refresh()
        freezing.lay_overlay(beside, action.path, shelter, action.capacity)
        now = files.find_at(bench.hypervisor, shelter)
        if not domains.read(bench.hypervisor, action.domain).off or not unchanged(now, action):
            raise GoldenError(
                f"freezing {action.path}",
                f"domain {action.domain} was started, or the file was written to, meanwhile",
                "Shut the domain down, leave it off, and run this again.",
            )
    except BaseException:
        undo()
        raise
    return undo


def runs_on(bench: Bench, domain: str, path: str) -> bool:
    """Whether a domain runs with *path* among the files that its disks are built on."""
    if domains.read(bench.hypervisor, domain).off:
        return False
    sources = parse(domains.live_xml(bench.hypervisor, domain)).iter("source")
    return any(source.get("file") == path for source in sources)


def unchanged(now: Volume | None, action: freeze.LayOverlay) -> bool:
    return now is not None and now.size == action.size and action.mtime in (None, now.mtime)


@perform.register
def finish_freeze(action: freeze.FinishFreeze, bench: Bench) -> Undo:
    pool = bench.pool(action.pool)
    freezing.settle(action.path, shelter_of(action.path), pool.path_of(action.volume), bench.execute)
    for of in (pool, pool_over(bench, action.path)):
        of.refresh()
    if action.protect:
        pool.protect(action.volume)
    return None


@perform.register
def undo_freeze(action: freeze.UndoFreeze, bench: Bench) -> Undo:
    beside, shelter = pool_over(bench, action.path), shelter_of(action.path)
    freezing.take_back(beside, action.path, shelter, lambda: runs_on(bench, action.domain, shelter))
    return None


@perform.register
def keep_seal(action: freeze.KeepSeal, bench: Bench) -> Undo:
    domain = domains.read(bench.hypervisor, action.domain)
    seal = domain.record.seal
    if seal:
        found = disks.written(bench, domain).values()
        witness = tuple((volume.path, volume.mtime) for volume in found if volume)
        record = replace(domain.record, seal=replace(seal, witness=witness))
        domains.set_metadata(bench.hypervisor, action.domain, metadata_xml.element_of(record))
    return None


@perform.register
def digest_version(action: freeze.DigestVersion, bench: Bench) -> Undo:
    pool = bench.pool(action.pool)
    taken = {volume: digest_of(pool, volume, bench) for volume in action.volumes}

    def noted(state: State) -> State | None:
        known = state.digests.get(action.version, {})
        both = {**taken, **known}
        return None if both == known else replace(state, digests={**state.digests, action.version: both})

    Journal(pool, action.image).change(noted)
    return None
