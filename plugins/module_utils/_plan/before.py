# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What clones were before they went to a version: what is kept of it, until when, and what goes with it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._model import Before, Domain, Made, Origin, Volume
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
        return tuple(
            before for before in self.befores if not spent(before, self.domain) and not is_over(before, self.now)
        )


def files_of(domain: Domain) -> dict[str, str]:
    """The files of a domain's disks by target, and that of its UEFI variables."""
    found = {disk.target: disk.path for disk in domain.disks if disk.path}
    return {**found, **({NVRAM: domain.firmware.nvram} if domain.firmware.nvram else {})}


def spent(before: Before, domain: Domain) -> bool:
    """Whether the domain uses again what was kept, or still does: a run was cut off between that and the record."""
    now = files_of(domain)
    return any(now.get(part) == path for part, path in before.replaced.items())


def is_over(before: Before, now: str) -> bool:
    """Whether its time has run out."""
    return before.until is not None and before.until < now


def dropping(
    domain: Domain, gone: Sequence[Before], staying: Sequence[Before], taken: Collection[str]
) -> Iterator[actions.DeleteVolume]:
    """Delete what is kept for those that are *gone*, as far as it is there and neither the domain uses it nor those
    *staying*."""
    held = {made for before in staying for made in before.all}
    for before in gone:
        used = {*held, *(before.volumes if spent(before, domain) else ())}
        for made in before.all:
            if made not in used and made.volume in taken:
                yield actions.DeleteVolume(made.pool, made.volume)
