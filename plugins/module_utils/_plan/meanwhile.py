# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others may do to a domain while its snapshots are worked on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._model import Domain, Snapshot
from ansible_collections.golden.libvirt.plugins.module_utils._plan.actions import DropVolume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey


@dataclass(frozen=True)
class Signs:
    """What plans for snapshots rest on: which domain it is, whether it runs, its files by target, its snapshots' names
    and parents, the name of the current one."""

    uuid: str
    state: str
    files: Mapping[str, str | None]
    snapshots: Mapping[str, str | None]
    current: str | None


def signs_of(domain: Domain, snapshots: Sequence[Snapshot]) -> Signs:
    return Signs(
        domain.uuid,
        domain.state,
        {disk.target: disk.path for disk in domain.written_disks},
        {snapshot.name: snapshot.parent for snapshot in snapshots},
        next((snapshot.name for snapshot in snapshots if snapshot.current), None),
    )


@dataclass(frozen=True)
class CheckSnapshots(Action):
    """Make sure that the domain is still as it was *planned* on."""

    words: ClassVar[str] = "check domain"
    domain: str
    planned: Signs = field(repr=False)


def guard(survey: Survey) -> CheckSnapshots:
    return CheckSnapshots(survey.domain.name, signs_of(survey.domain, survey.snapshots))


@dataclass(frozen=True)
class DropOverlay(DropVolume):
    """Delete what *domain* wrote to, unless somebody took a snapshot of that meanwhile."""

    domain: str = field(default="", repr=False)
    path: str = field(default="", repr=False)
