# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: reading, making, reverting, deleting."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, NotFound, Overtaken
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, asking
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.quiescing import (
    agent_in_time,
    still_frozen,
    thawed,
)
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt
from ansible_collections.golden.libvirt.plugins.module_utils._model import Snapshot
from ansible_collections.golden.libvirt.plugins.module_utils._xml import snapshot as snapshot_xml

STAYED_PAUSED = "QEMU lets go of the disks of a paused domain when it saves its memory: resume it for a moment."
# How QEMU 7.2 and newer ones say that they did.
LET_GO = ("paused due to previous migration", "Block node is read-only", "Inactive '")
# How libvirt says that somebody took a snapshot of that name meanwhile.
TAKEN = " already exists"
BROKEN = "libvirt 11.2 and 11.3 as released cannot revert to internal snapshots with memory: update to 11.4 or newer."
RISKY = "Use 'force: true' to revert nevertheless: the domain then stops before it starts again in the other shape."


def read_all(hypervisor: Hypervisor, domain: str) -> tuple[Snapshot, ...]:
    """All snapshots of a domain, parents before their children, siblings by age; without one that goes meanwhile."""
    found: list[Snapshot] = []
    with asking(f"reading the snapshots of {domain}"):
        for handle in domains.handle_of(hypervisor, domain).listAllSnapshots(0):
            try:
                xml = handle.getXMLDesc(libvirt.VIR_DOMAIN_SNAPSHOT_XML_SECURE)
                found.append(snapshot_xml.snapshot_of(domain, xml, current=bool(handle.isCurrent(0))))
            except libvirt.libvirtError as err:
                if err.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN_SNAPSHOT:
                    raise
    return in_order(sorted(found, key=lambda snapshot: (snapshot.created, snapshot.name)))


def read(hypervisor: Hypervisor, domain: str, name: str, doing: str) -> Snapshot:
    """One of them; NotFound, naming those that are there, where it is not."""
    found = {snapshot.name: snapshot for snapshot in read_all(hypervisor, domain)}
    if name not in found:
        there = ", ".join(found) or "none"
        raise NotFound(doing, f"the domain has no such snapshot (there: {there})", "See golden.libvirt.snapshot_info.")
    return found[name]


def in_order(snapshots: list[Snapshot]) -> tuple[Snapshot, ...]:
    """Parents before children: libvirt's clock has seconds only, and clocks are set back."""
    names = {snapshot.name for snapshot in snapshots}
    placed: dict[str, Snapshot] = {}
    for _round in snapshots:
        for snapshot in snapshots:
            if snapshot.parent in placed or snapshot.parent not in names:
                placed.setdefault(snapshot.name, snapshot)
    return tuple(placed.values())


def handle_of(hypervisor: Hypervisor, domain: str, name: str) -> libvirt.virDomainSnapshot:
    return domains.handle_of(hypervisor, domain).snapshotLookupByName(name, 0)


def create(hypervisor: Hypervisor, domain: str, xml: str, *, disk_only: bool, prepared: bool, quiesce: bool) -> None:
    """Take a snapshot. *prepared*: the overlays that *xml* names are there; *quiesce*: with the file systems frozen.

    A guest that was asked to freeze is always asked to thaw.
    """
    handle = domains.handle_of(hypervisor, domain)
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_ATOMIC
    flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY if disk_only else 0
    flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT if prepared else 0
    flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_QUIESCE if quiesce else 0
    with agent_in_time(handle) if quiesce else nullcontext():
        try:
            with asking(f"taking a snapshot of {domain}"):
                handle.snapshotCreateXML(xml, flags)
        except GoldenError as err:
            advise(err)
            if quiesce and not thawed(handle):
                err.left += (still_frozen(domain),)
            if TAKEN in err.reason:
                raise Overtaken(err.doing, err.reason, err.advice, code=err.code, left=err.left) from err
            raise


def redefine(hypervisor: Hypervisor, domain: str, xml: str, *, current: bool) -> None:
    """Replace what libvirt knows of a snapshot, touching no disk; *current*: the next snapshot is its child."""
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REDEFINE
    flags |= libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_CURRENT if current else 0
    with asking(f"redefining a snapshot of {domain}"):
        domains.handle_of(hypervisor, domain).snapshotCreateXML(xml, flags)


def revert(hypervisor: Hypervisor, domain: str, name: str, *, to: str | None, force: bool) -> None:
    """libvirt's own revert. *to*: running or paused, whatever the state in the snapshot; None leaves it to that."""
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_RUNNING if to == "running" else 0
    flags |= libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_PAUSED if to == "paused" else 0
    flags |= libvirt.VIR_DOMAIN_SNAPSHOT_REVERT_FORCE if force else 0
    try:
        with asking(f"reverting {domain} to snapshot {name}"):
            snapshot = handle_of(hypervisor, domain, name)
            snapshot.getDomain().revertToSnapshot(snapshot, flags)
    except GoldenError as err:
        if err.code == libvirt.VIR_ERR_SNAPSHOT_REVERT_RISKY:
            err.advice = RISKY
        elif "is writable but does not support snapshots" in err.reason:
            err.advice = BROKEN
        raise


def delete(hypervisor: Hypervisor, domain: str, name: str) -> None:
    """Delete one snapshot; its children stay, what it froze is merged into what remains."""
    before = read_all(hypervisor, domain)
    try:
        with asking(f"deleting snapshot {name} of {domain}"):
            handle_of(hypervisor, domain, name).delete(0)
    except GoldenError as err:
        if any(words in err.reason for words in LET_GO):  # QEMU did not begin
            unmark(hypervisor, domain, before)
        advise(err)
        raise


def unmark(hypervisor: Hypervisor, domain: str, before: Iterable[Snapshot]) -> None:
    """Take libvirt's marks of a deletion off the snapshots that have got them since *before*."""
    now = {snapshot.name: snapshot.xml for snapshot in read_all(hypervisor, domain)}
    for snapshot in before:
        if now.get(snapshot.name) != snapshot.xml == snapshot_xml.unmarked(now.get(snapshot.name, "")):
            redefine(hypervisor, domain, snapshot.xml, current=snapshot.current)


def advise(err: GoldenError) -> None:
    """Say what helps where QEMU would not work on a paused domain's disks, or there is no space."""
    if any(words in err.reason for words in LET_GO):
        err.advice = STAYED_PAUSED
    elif "No space left" in err.reason:
        err.advice = "Free space beside its disks and run this again."


def forget(hypervisor: Hypervisor, domain: str, name: str) -> None:
    """Remove what libvirt knows of a snapshot, touching no disk."""
    with asking(f"forgetting snapshot {name} of {domain}"):
        handle_of(hypervisor, domain, name).delete(libvirt.VIR_DOMAIN_SNAPSHOT_DELETE_METADATA_ONLY)
