# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding out what others did to a domain while its snapshots are worked on: libvirt knows no way to forbid it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Overtaken
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains, files, snapshots
from ansible_collections.golden.libvirt.plugins.module_utils._model import SnapshotDisk
from ansible_collections.golden.libvirt.plugins.module_utils._plan.creation import CreateSnapshot
from ansible_collections.golden.libvirt.plugins.module_utils._plan.meanwhile import (
    CheckSnapshots,
    DropOverlay,
    signs_of,
)
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.surveying import with_paths
from ansible_collections.golden.libvirt.plugins.module_utils._xml import volume as volume_xml

ADVICE = "See what it is now and run this again."


@perform.register
def check_snapshots(action: CheckSnapshots, bench: Bench) -> Undo:
    hypervisor = bench.hypervisor
    domain = with_paths(hypervisor, domains.read_live(hypervisor, action.domain))
    if signs_of(domain, snapshots.read_all(hypervisor, action.domain)) != action.planned:
        reason = "somebody changed its state, disks or snapshots since this was planned"
        raise Overtaken(f"working on {action.domain}", reason, ADVICE)
    return None


@perform.register
def drop_overlay(action: DropOverlay, bench: Bench) -> Undo:
    found = snapshots.read_all(bench.hypervisor, action.domain)
    if not any(disk.base == action.path for snapshot in found for disk in snapshot.disks):
        bench.pool(action.pool).delete(action.volume)
    return None


def make_sure(action: CreateSnapshot, bench: Bench, undo: Callable[[], None]) -> None:
    """That a new external snapshot froze the files that its overlays were made for: libvirt waits for what another run
    does to the domain, and then puts them over whatever is there, without a look at what they say."""
    made_for = {disk.target: disk.base for disk in action.snapshot.external_disks}
    doing = f"taking snapshot {action.name} of {action.domain}"
    taken = snapshots.read(bench.hypervisor, action.domain, action.name, doing)
    wrong = [disk for disk in taken.external_disks if disk.base and disk.base != made_for.get(disk.target)]
    if not wrong:
        return
    if taken.state == "shutoff":
        make_anew(bench, wrong)
        return
    reason = "somebody took another one at the same moment"
    try:
        undo()  # QEMU itself knows what it writes over
    except GoldenError as err:
        advice = "Delete it before the domain stops: its files do not tell what they are built on."
        raise GoldenError(doing, reason, advice, left=(f"the snapshot ({err.reason})",)) from err
    raise Overtaken(doing, reason, ADVICE)


def make_anew(bench: Bench, disks: Sequence[SnapshotDisk]) -> None:
    """The overlays of a domain that is off, into which nothing was written yet, over what they are to be over."""
    for disk in disks:
        base = files.volume_at(bench.hypervisor, str(disk.base))
        directory, name = posixpath.split(str(disk.path))
        pool = files.pool_at(bench.hypervisor, directory)
        pool.refresh()
        pool.delete(name)
        pool.create(
            volume_xml.new_volume(name, base.capacity, "qcow2", backing=base.path, backing_format=base.format), name
        )
