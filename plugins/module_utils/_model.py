# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nouns: what a domain, a snapshot, a volume, an image, a version and a clone are. No behaviour beyond look-ups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Disk:
    """One ``<disk>`` of a domain. *path* is a file or block device, None for an empty drive or a network disk."""

    target: str
    device: str = "disk"
    kind: str = "file"
    path: str | None = None
    format: str = "raw"
    bus: str = "virtio"
    readonly: bool = False
    shareable: bool = False
    transient: bool = False
    snapshot: str | None = None
    serial: str | None = None
    pool: str | None = None
    volume: str | None = None

    @property
    def written(self) -> bool:
        """Whether the guest can write to it, so that its content belongs to the machine's state."""
        return self.device in ("disk", "lun") and not self.readonly


@dataclass(frozen=True)
class Firmware:
    """*kind* is bios or uefi; *nvram* the file of the UEFI variables, *template* what it was made from."""

    kind: str = "bios"
    loader: str | None = None
    nvram: str | None = None
    template: str | None = None
    nvram_format: str = "raw"


@dataclass(frozen=True)
class Made:
    """A volume that a clone was given: what its removal removes."""

    pool: str
    volume: str


@dataclass(frozen=True)
class Origin:
    """Where a clone was struck from, as its domain metadata says: an *image*'s *version*, or a *domain*.

    *complete* is false while it is being made, by *holder*; one that is complete and has a holder is being reverted.
    *customised* says that the guest was told its name (*hostname*) and keys through its agent or offline, which is lost
    when the clone goes back to its version. *label* is the group that a user put it into. Of the source's disks it has
    those not that are *skipped*, and only reads those that are *shared*.
    """

    image: str
    version: str
    channel: str | None
    linked: bool
    created: str
    complete: bool = True
    made: tuple[Made, ...] = ()
    domain: str = ""
    customised: bool = False
    holder: Holder | None = None
    label: str = ""
    skipped: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    hostname: str = ""


@dataclass(frozen=True)
class Seal:
    """That a domain was sealed, how, by what its identity is made anew, and the disks' mtimes that bear witness.

    *witness* holds (path, mtime) pairs read when the domain was off after sealing: a disk written since then is not
    sealed any more.
    """

    method: str
    operations: tuple[str, ...]
    first_boot: str
    created: str
    witness: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Record:
    """All that the collection keeps in a domain's metadata: a pointer, never the authority."""

    origin: Origin | None = None
    seal: Seal | None = None


@dataclass(frozen=True)
class Domain:
    """A domain as its inactive XML (secrets included) and its state say. *memory* in MiB."""

    name: str
    uuid: str
    state: str
    xml: str = field(repr=False)
    disks: tuple[Disk, ...] = ()
    firmware: Firmware = Firmware()
    macs: tuple[str, ...] = ()
    record: Record = Record()
    persistent: bool = True
    memory: int = 0

    @property
    def off(self) -> bool:
        return self.state in ("shutoff", "crashed")

    @property
    def written_disks(self) -> tuple[Disk, ...]:
        return tuple(disk for disk in self.disks if disk.written)


@dataclass(frozen=True)
class Before:
    """What a clone was before it went to a version, kept so that it can be that again.

    The volume *record* says so. *volumes* are what is kept for it, *replaced* the files by disk target (or nvram) that
    others took the place of, *successors* the volumes made for these. *until* (UTC, ISO 8601) is when it may go; None
    is when somebody says so. *state* and *xml* are the domain's then; *variables* is a copy of UEFI variables whose
    file the clone went on using. *open* says that a run wanted to settle it, and has not come to that.
    """

    record: Made
    domain: str
    uuid: str
    created: str
    until: str | None
    state: str
    xml: str = field(repr=False)
    volumes: tuple[Made, ...] = ()
    replaced: Mapping[str, str] = field(default_factory=dict)
    successors: tuple[Made, ...] = ()
    variables: Made | None = None
    open: bool = False

    @property
    def all(self) -> tuple[Made, ...]:
        """All volumes that go with it, its record last."""
        return (*self.volumes, *([self.variables] if self.variables else []), self.record)


@dataclass(frozen=True)
class SnapshotDisk:
    """What a snapshot did with one disk: *kind* is internal, external or no.

    *base* is the file that the domain used then, which an external snapshot froze; *path* the overlay made over it.
    """

    target: str
    kind: str
    path: str | None = None
    format: str = "qcow2"
    base: str | None = None
    base_format: str = "raw"


@dataclass(frozen=True)
class SnapshotNote:
    """What the collection writes into a snapshot's description, beside the user's text.

    *consistency* is offline, application or crash. *nvram* is the copy of the UEFI variables that belongs to the
    snapshot: empty where the machine had none yet (it had never started), None where nothing was recorded. *sealed* is
    ``yes`` where the domain was off and sealed.
    """

    label: str | None = None
    consistency: str | None = None
    nvram: str | None = None
    sealed: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """A saved point of one domain. *state* is the domain's then, ``disk-snapshot`` for one that ran and whose memory
    was not saved; *created* in seconds since the epoch; *tpm* whether the state of its TPM is in it, None where
    it had none; *xml* has the domain inside, secrets included."""

    domain: str
    name: str
    kind: str
    memory: bool
    state: str
    created: int = 0
    parent: str | None = None
    current: bool = False
    description: str = ""
    note: SnapshotNote = SnapshotNote()
    memory_file: str | None = None
    disks: tuple[SnapshotDisk, ...] = ()
    tpm: bool | None = None
    xml: str = field(default="", repr=False)

    @property
    def external_disks(self) -> tuple[SnapshotDisk, ...]:
        return tuple(disk for disk in self.disks if disk.kind == "external")


@dataclass(frozen=True)
class Volume:
    """A storage volume. Sizes in bytes; *size* is the file's length (libvirt's physical), *mtime* as libvirt has it,
    *owner* the number of the user whose file it is."""

    pool: str
    name: str
    path: str
    format: str
    capacity: int
    allocation: int
    size: int
    mtime: str = ""
    mode: str = ""
    backing: str | None = None
    backing_format: str | None = None
    owner: int | None = None


@dataclass(frozen=True)
class VersionDisk:
    """One disk of a version: *target* in the domain, *volume* in the image pool. Sizes in bytes.

    *sha256* is None where its digest was put off; *backing* another version's volume that it is an overlay on.
    """

    target: str
    volume: str
    format: str
    capacity: int
    size: int
    sha256: str | None
    backing: str | None = None


@dataclass(frozen=True)
class VersionNvram:
    """The UEFI variables of a version."""

    volume: str
    format: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Lineage:
    """The version that a version was built from."""

    image: str
    version: str


@dataclass(frozen=True)
class Sealed:
    """What was stripped before promoting, and what makes a clone's identity anew (``cloud-init``, ``systemd``)."""

    method: str
    operations: tuple[str, ...] = ()
    first_boot: str = ""


@dataclass(frozen=True)
class Version:
    """One immutable member of an image: what its manifest says. *signature* is OpenSSH's, of all the rest."""

    image: str
    version: str
    created: str
    created_by: str
    template: str = field(repr=False)
    disks: tuple[VersionDisk, ...] = ()
    firmware: str = "bios"
    nvram: VersionNvram | None = None
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    sealed: Sealed | None = None
    lineage: Lineage | None = None
    recipe: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    signature: str | None = field(default=None, repr=False)

    @property
    def parts(self) -> tuple[VersionDisk | VersionNvram, ...]:
        """Its disks and, where it has them, its UEFI variables."""
        return (*self.disks, *([self.nvram] if self.nvram else []))

    @property
    def undigested(self) -> tuple[str, ...]:
        """The volumes whose digests were put off and not taken yet."""
        return tuple(disk.volume for disk in self.disks if disk.sha256 is None)


@dataclass(frozen=True)
class Holder:
    """Who holds a claim: the machine's boot, the process and its start, so that a dead one can be told; *until* is a
    time in seconds since the epoch after which nobody needs to ask. *boot* names the kernel's boot and the process
    namespace, within which *pid* and *started* mean something."""

    host: str
    boot: str
    pid: int
    started: str
    until: int = field(compare=False)


@dataclass(frozen=True)
class State:
    """What the newest journal record of an image says: *serial* 0 where there is none.

    *channels* maps a channel to a version, *states* a version to {state, reason, date} where it is not active, *claims*
    a version that is being made to who makes it, *digests* a version whose digests were put off to those of its volumes
    that were taken since. *history* holds the last changes of channels and states,
    oldest first, each with its created, by and what changed, and (once written) its serial. *read* is when it was read
    (UTC, ISO 8601): what has a date that is to come does not hold yet.
    """

    serial: int = 0
    channels: Mapping[str, str] = field(default_factory=dict)
    states: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    claims: Mapping[str, Holder] = field(default_factory=dict)
    digests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    history: tuple[Mapping[str, Any], ...] = ()
    read: str = field(default="", compare=False)


@dataclass(frozen=True)
class Image:
    """A named line of versions: the names of the complete ones and of the unfinished ones, and the journal's state."""

    name: str
    versions: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    state: State = State()


@dataclass(frozen=True)
class Identity:
    """What makes a clone itself on the hypervisor: one MAC per interface, in the template's order."""

    name: str
    uuid: str
    macs: tuple[str, ...] = ()
    genid: str | None = None
    nvram: str | None = None


@dataclass(frozen=True)
class Limits:
    """What the hypervisor has: *memory* in MiB, *vcpus* that a machine type takes, its *networks*."""

    memory: int
    vcpus: int
    networks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Memory:
    """A hypervisor's memory in MiB: all of it, and what programs that start now can have, caches counted in."""

    total: int
    available: int


Facts = dict[str, Any]
