# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that several verbs' plans are made of. How each is carried out and undone is in _run/perform.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._model import Record
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action


@dataclass(frozen=True)
class CreateVolume(Action):
    """An empty volume, or an overlay on *backing*. *capacity* in bytes."""

    words: ClassVar[str] = "create volume"
    pool: str
    volume: str
    capacity: int
    format: str = "qcow2"
    backing: str | None = None
    backing_format: str | None = None
    mode: str = field(default="0640", repr=False)


@dataclass(frozen=True)
class CopyVolume(Action):
    """A volume out of the file or block device *source*, flattened, or out of what its internal *snapshot* holds.

    *capacity* in bytes.
    """

    words: ClassVar[str] = "copy volume"
    source: str
    pool: str
    volume: str
    capacity: int
    format: str = "qcow2"
    snapshot: str | None = None
    mode: str = field(default="0640", repr=False)


@dataclass(frozen=True)
class GrowVolume(Action):
    """A larger *capacity* (bytes)."""

    words: ClassVar[str] = "grow volume"
    pool: str
    volume: str
    capacity: int


@dataclass(frozen=True)
class WriteVolume(Action):
    """A raw volume with *content*, which may hold secrets."""

    words: ClassVar[str] = "write volume"
    pool: str
    volume: str
    content: bytes = field(repr=False)
    mode: str = field(default="0640", repr=False)


@dataclass(frozen=True)
class DeleteVolume(Action):
    """Gone for good; the plan has made sure that nothing depends on it."""

    words: ClassVar[str] = "delete volume"
    pool: str
    volume: str


@dataclass(frozen=True)
class DropVolume(DeleteVolume):
    """Delete what is needed no more now that all before it is done, which therefore stays even if this fails."""

    settles: ClassVar[str] = "before"


@dataclass(frozen=True)
class DefineDomain(Action):
    """Define or redefine *domain* as *xml*."""

    words: ClassVar[str] = "define domain"
    domain: str
    xml: str = field(repr=False)


@dataclass(frozen=True)
class UndefineDomain(Action):
    """Forget a domain that is off, with its NVRAM file, vTPM state and snapshots: that of this *uuid* and no other that
    took its name meanwhile."""

    words: ClassVar[str] = "remove domain"
    domain: str
    uuid: str = field(repr=False)


@dataclass(frozen=True)
class MarkDomain(Action):
    """Write our *record* into the domain's metadata."""

    words: ClassVar[str] = "mark domain"
    domain: str
    record: Record = field(repr=False)


@dataclass(frozen=True)
class MarkClone(Action):
    """Write down whether a clone (that of this *uuid*) is *complete*. What came before stays, even if what comes after
    fails."""

    words: ClassVar[str] = "mark clone"
    settles: ClassVar[str] = "after"
    domain: str
    complete: bool
    uuid: str = field(repr=False)
    record: Record = field(repr=False)


@dataclass(frozen=True)
class RenameDomain(Action):
    """A domain that is off gets another name."""

    words: ClassVar[str] = "rename domain"
    domain: str
    to: str


@dataclass(frozen=True)
class StartDomain(Action):
    """Power on, or to paused."""

    words: ClassVar[str] = "start domain"
    boots: ClassVar[bool] = True
    domain: str
    paused: bool = False


@dataclass(frozen=True)
class StopDomain(Action):
    """Cut the power."""

    words: ClassVar[str] = "stop domain"
    domain: str


@dataclass(frozen=True)
class WaitForGuest(Action):
    """Wait until the guest answers: *until* is agent, address or ssh; *timeout* in seconds."""

    words: ClassVar[str] = "wait for guest"
    boots: ClassVar[bool] = True
    settles: ClassVar[str] = "before"
    domain: str
    until: str
    timeout: int
