# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in the way of going back to a snapshot."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.golden.libvirt.plugins.module_utils._model import Snapshot
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey, whose
from ansible_collections.golden.libvirt.plugins.module_utils._xml import snapshot as snapshot_xml


def obstacles_to(survey: Survey, snapshot: Snapshot, force: bool, power: str) -> tuple[str, ...]:
    """Why the domain cannot go back to it, or not without losing something."""
    found = list(forceable(survey, snapshot, power)) if not force else []
    if not survey.domain.persistent:
        found.append("the domain is transient; define it")
    if survey.domain.state == "pmsuspended":
        found.append("the guest sleeps (pmsuspended); wake it or stop it")
    check = internal_obstacles if snapshot.kind == "internal" else external_obstacles
    return (*found, *check(survey, snapshot, power))


def forceable(survey: Survey, snapshot: Snapshot, power: str) -> Iterator[str]:
    """What *force* accepts."""
    if "<domain" not in snapshot.xml.partition("<domainsnapshot")[2]:
        yield "libvirt did not keep the domain's XML with it, so that the domain would stay as it is defined now"
    if snapshot_xml.has_tpm(survey.domain.xml) and not (snapshot.tpm and power != "shutoff"):
        yield "the state of its TPM is not in the snapshot and stays as it is now: what the guest sealed may not open"
    if survey.saved:
        yield "it was put to disk with its memory (managed save), which would be lost"
    if snapshot.kind == "internal":
        yield from unfitting(survey, snapshot)
    nvram = snapshot.note.nvram
    if nvram and nvram not in survey.files:
        yield f"the copy of its UEFI variables, {nvram}, is gone; they would stay as they are now"


def unfitting(survey: Survey, snapshot: Snapshot) -> Iterator[str]:
    """What an internal snapshot would change although it should not."""
    if snapshot.name.isdigit():
        yield f"QEMU may take the name {snapshot.name} for the number of another snapshot, and go back to that"
    for base in {disk.base: None for disk in snapshot.disks if disk.kind == "internal" and disk.base}:
        if base in survey.others:
            yield f"{base} is a disk of {survey.others[base]} as well, which would go back with it"
        for path in survey.overlays_on(base):
            yield f"{path}{whose(survey, path)} is built on {base}, and its content would no longer fit"


def internal_obstacles(survey: Survey, snapshot: Snapshot, power: str) -> Iterator[str]:
    for disk in snapshot.disks:
        now = survey.disk(disk.target)
        if disk.kind == "internal" and (not now or now.path != disk.base):
            yield f"it is in {disk.base}, which {disk.target} does not write to now; delete later external ones first"
        elif disk.kind == "internal":
            yield from lost_inside(survey, snapshot.name, str(disk.base))


def lost_inside(survey: Survey, name: str, path: str) -> Iterator[str]:
    """Why a file does not hold the state of its disk. QEMU would say so only once other disks have gone back."""
    inside = survey.inside.get(path)
    if inside is None:
        return
    if name not in inside:
        yield f"{path} has no snapshot {name} in it any more: that state is lost"
    elif inside.count(name) > 1:
        yield (
            f"{path} has more than one snapshot {name} in it, and QEMU goes back to the oldest, which libvirt does not "
            f"know; shut the domain down and delete that ('qemu-img snapshot -d {name} {path}')"
        )


def external_obstacles(survey: Survey, snapshot: Snapshot, power: str) -> Iterator[str]:
    for disk in snapshot.external_disks:
        base = disk.base or "?"
        if base not in survey.files:
            yield f"{base}, which it froze for {disk.target}, {survey.why_unseen(base, 'is gone')}"
        elif base in survey.others:
            yield f"{base}, which it froze for {disk.target}, is now a disk of {survey.others[base]}"
        elif any(now.path == base for now in survey.domain.disks):
            yield f"the domain writes to {base} again, which it froze for {disk.target}: that state is lost"
        elif len(survey.chain(base)) >= survey.libvirt.depth:
            yield f"{disk.target} would consist of more files than this libvirt starts ({survey.libvirt.depth})"
    if snapshot.memory_file and power != "shutoff" and snapshot.memory_file not in survey.files:
        yield f"its memory, {snapshot.memory_file}, is gone; revert with 'power: shutoff' and start the domain then"
