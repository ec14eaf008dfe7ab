# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read of a domain before its snapshots are changed: the snapshots, and the files that hold their bytes.

Each external snapshot froze a file (its base) and put an overlay over it, so that the files make a tree.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ansible_collections.golden.libvirt.plugins.module_utils._model import Disk, Domain, Snapshot, Volume


@dataclass(frozen=True)
class Libvirt:
    """*native*: it reverts external snapshots itself. *version* as libvirt numbers it: 9000000 for 9.0.0."""

    native: bool = False
    version: int = 9000000

    @property
    def depth(self) -> int:
        """How many files a disk may consist of so that the domain still starts."""
        return 24 if 10008000 <= self.version < 11011000 else 199

    @property
    def dotted(self) -> str:
        return f"{self.version // 1000000}.{self.version // 1000 % 1000}"


@dataclass(frozen=True)
class Survey:
    """*domain* has its disks as they are used now, with the paths of volumes resolved. *files* holds, by path, all
    volumes that libvirt's pools list, *taken* the paths that are no free names, *others* which other domains use a
    file, *saved* whether the domain was put to disk (managed save), *idle* the pools that are not active by directory,
    *inside* the names of the internal snapshots in the files of disks, as far as these could be read.
    """

    domain: Domain
    snapshots: tuple[Snapshot, ...] = ()
    files: Mapping[str, Volume] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    others: Mapping[str, str] = field(default_factory=dict)
    libvirt: Libvirt = Libvirt()
    saved: bool = False
    idle: Mapping[str, str] = field(default_factory=dict)
    inside: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def snapshot(self, name: str) -> Snapshot | None:
        return next((snapshot for snapshot in self.snapshots if snapshot.name == name), None)

    @property
    def current(self) -> Snapshot | None:
        return next((snapshot for snapshot in self.snapshots if snapshot.current), None)

    def children(self, name: str) -> tuple[Snapshot, ...]:
        return tuple(snapshot for snapshot in self.snapshots if snapshot.parent == name)

    def descendants(self, name: str) -> tuple[Snapshot, ...]:
        """The snapshots that follow from *name*, directly or not, parents before their children."""
        found = [name]
        for snapshot in self.snapshots:
            if snapshot.parent in found:
                found.append(snapshot.name)
        return tuple(snapshot for snapshot in self.snapshots if snapshot.name in found[1:])

    @property
    def followed(self) -> tuple[str, ...]:
        """The names of the current snapshot and of those that it follows from."""
        found: list[str] = []
        snapshot = self.current
        while snapshot and snapshot.name not in found:
            found.append(snapshot.name)
            snapshot = self.snapshot(snapshot.parent or "")
        return tuple(found)

    def disk(self, target: str) -> Disk | None:
        return next((disk for disk in self.domain.disks if disk.target == target), None)

    def chain(self, path: str | None) -> tuple[str, ...]:
        """*path* and the files below it, down to the one that has no backing file or is in no pool."""
        found: list[str] = []
        while path and path not in found:
            found.append(path)
            path = self.files[path].backing if path in self.files else None
        return tuple(found)

    def why_unseen(self, path: str, gone: str) -> str:
        """Why there is no such file: it is *gone*, or libvirt does not look."""
        pool = self.idle.get(posixpath.dirname(path))
        return (
            f"is not seen, since its pool {pool} is not active; start that ('virsh pool-start {pool}')"
            if pool
            else gone
        )

    def overlays_on(self, path: str) -> tuple[str, ...]:
        """The files that are built directly on *path*."""
        return tuple(sorted(file.path for file in self.files.values() if file.backing == path))

    def freezing(self, path: str) -> tuple[str, ...]:
        """The names of the snapshots whose state is in *path*."""
        return tuple(
            snapshot.name
            for snapshot in self.snapshots
            if any(disk.base == path and disk.kind != "no" for disk in snapshot.disks)
        )

    def free_path(self, directory: str, stem: str, suffix: str) -> str:
        """A path that no file has: stem.suffix, or stem.2.suffix and so on."""
        names = [f"{stem}.{suffix}", *(f"{stem}.{number}.{suffix}" for number in range(2, len(self.taken) + 3))]
        return next(path for path in (posixpath.join(directory, name) for name in names) if path not in self.taken)

    def with_overlays(self, overlays: Mapping[str, Volume]) -> Survey:
        """The survey once each disk ({target: overlay}) writes to an overlay."""
        disks = tuple(
            replace(disk, path=overlays[disk.target].path, format="qcow2", kind="file")
            if disk.target in overlays
            else disk
            for disk in self.domain.disks
        )
        new = {volume.path: volume for volume in overlays.values()}
        return replace(
            self,
            domain=replace(self.domain, disks=disks),
            files={**self.files, **new},
            taken=self.taken | set(new),
        )


def whose(survey: Survey, path: str) -> str:
    """Who needs an overlay, as far as it is known here."""
    names = [*survey.freezing(path), *([survey.others[path]] if path in survey.others else [])]
    return f" ({', '.join(names) or 'which no domain or snapshot here uses'})"
