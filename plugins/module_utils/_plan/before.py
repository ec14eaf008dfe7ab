# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clones were before they went to a version: what is kept of it, until when, and what goes with it."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._model import Before, Domain, Holder, Made, Origin, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan import actions
from ansible_collections.golden.libvirt.plugins.module_utils._plan.leavings import Leavings
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action

NVRAM, BEFORE = "nvram", "before"
# For how long a clone can be put back: until somebody says otherwise, or until what was begun is settled.
EVER, SETTLED = "ever", "settled"


@dataclass(frozen=True)
class KeepBefore(Action):
    """Write down what a clone was *before*, in the *volume* that is its record."""

    words: ClassVar[str] = "keep what was before"
    domain: str
    pool: str
    volume: str
    before: Before = field(repr=False)


@dataclass(frozen=True)
class CheckDomain(Action):
    """Make sure that the domain is as *planned* for (see signs_of), and that *holder*, or no run, is at it."""

    words: ClassVar[str] = "check domain"
    domain: str
    planned: Domain = field(repr=False)
    holder: Holder | None = field(repr=False)


@dataclass(frozen=True)
class Clone:
    """A clone and its volumes: the made ones by path, and the names *taken* in the pools that they are in.

    *pool*, at *directory*, is for those that have no predecessor.

    *leavings* is what its snapshots have put beside them, *befores* what is kept of what it was (the newest last).
    *now* (UTC, ISO 8601) is when that was read. *interrupted*: a run that reverted it was cut off. *variables* is
    the file of its UEFI variables.
    """

    domain: Domain
    origin: Origin
    pool: str
    directory: str
    taken: Collection[str]
    volumes: Mapping[str, Volume]
    leavings: Leavings = Leavings()
    befores: Sequence[Before] = ()
    now: str = ""
    interrupted: bool = False
    variables: Volume | None = None

    @property
    def made(self) -> tuple[Made, ...]:
        """All that was made for it, that included which its metadata have lost."""
        kept = [made for before in self.befores for made in before.all]
        return tuple(dict.fromkeys((*self.origin.made, *kept)))

    @property
    def lasting(self) -> tuple[Before, ...]:
        """What is kept and stays so."""
        return tuple(before for before in self.befores if not spent(before, self) and not is_over(before, self.now))

    def chain(self, path: str | None) -> Iterator[Volume]:
        """The volumes of the clone and its snapshots that a disk at *path* consists of."""
        known = {**{file.path: file for file in self.leavings.files}, **self.volumes}
        while path and path in known:
            yield known[path]
            path = known[path].backing

    @property
    def used(self) -> set[str]:
        """The files that its disks consist of, as far as they are known."""
        tops = set(files_of(self.domain).values())
        return tops.union(*({volume.path, volume.backing or ""} for path in tops for volume in self.chain(path)))


def files_of(domain: Domain) -> dict[str, str]:
    """The files of a domain's disks by target, and that of its UEFI variables."""
    found = {disk.target: disk.path for disk in domain.disks if disk.path}
    return {**found, **({NVRAM: domain.firmware.nvram} if domain.firmware.nvram else {})}


def to_come(clone: Clone, origin: Origin, path: str | None) -> tuple[Made, ...]:
    """The volume of UEFI variables at *path*, where it is of that *origin* and the first start is still to make it."""
    name = posixpath.basename(path or "")
    return tuple(made for made in origin.made if made.volume == name and name not in clone.taken)


def signs_of(domain: Domain) -> tuple[str, bool, dict[str, str]]:
    """What plans for a clone rest on: which one it is, whether it is off, its files."""
    return domain.uuid, domain.off, files_of(domain)


def holder_of(domain: Domain) -> Holder | None:
    """The run that says that it is at the domain."""
    return domain.record.origin.holder if domain.record.origin else None


def spent(before: Before, clone: Clone) -> bool:
    """Whether the clone uses again what was kept, or still does: a run was cut off between that and the record."""
    return not clone.used.isdisjoint(before.replaced.values())


def is_over(before: Before, now: str) -> bool:
    """Whether its time has run out."""
    return before.until is not None and before.until < now


def dropping(clone: Clone, gone: Sequence[Before], staying: Sequence[Before]) -> Iterator[actions.DeleteVolume]:
    """Delete what is kept for those that are *gone*, as far as it is there and neither the clone uses it nor those
    *staying*."""
    held = {made for before in staying for made in before.all}
    for before in gone:
        used = {*held, *(before.volumes if spent(before, clone) else ())}
        for made in before.all:
            if made not in used and made.volume in clone.taken:
                yield actions.DeleteVolume(made.pool, made.volume)
