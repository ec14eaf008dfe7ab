# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pulling what a disk has in its backing files into the disk itself, while QEMU has it open."""

from __future__ import annotations

import posixpath
import threading
import time
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import chains, domains, files
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, asking
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt

LEAST_STEP, MOST_STEP = 0.02, 0.5
TELL_SECONDS = 5.0
AGAIN = "Run it again: what was copied stays, and it goes on from there."


def pull(hypervisor: Hypervisor, name: str, target: str, ending: threading.Event, tell: Callable[[str], None]) -> None:
    """Make one disk independent. Where *ending* is set the job is aborted, and the disk is the overlay that it was.

    A job that a run which died has left is waited for. *tell* is told now and then how far it is.
    """
    handle, doing = domains.handle_of(hypervisor, name), f"flattening {target} of {name}"
    with asking(doing, AGAIN):
        if not handle.blockJobInfo(target, 0):
            handle.blockPull(target, 0, 0)
    step, told = LEAST_STEP, time.monotonic()
    while True:
        if ending.wait(step):
            abort(handle, target, doing)
        with asking(doing, AGAIN):
            job = handle.blockJobInfo(target, 0)
        if not job:
            break
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            tell(f"{doing}: {100 * job['cur'] // max(job['end'], 1)} %")
        step = min(2 * step, MOST_STEP)
    flush(hypervisor, name)
    verify(hypervisor, name, target, doing)


def flush(hypervisor: Hypervisor, name: str) -> None:
    """Have QEMU write down where the copied data is: it does when it is paused or ends, not by itself.

    Seen with QEMU 7.2: the disk has no backing file any more, and reads as zeros for anybody else until then. A QEMU
    that is killed leaves it so.
    """
    if domains.state(hypervisor, name) == "running":
        domains.pause(hypervisor, name, paused=True)
        domains.pause(hypervisor, name, paused=False)


def abort(handle: libvirt.virDomain, target: str, doing: str) -> None:
    """End the job, and the action with it."""
    with asking(f"aborting: {doing}", f"Abort it yourself: 'virsh blockjob {handle.name()} {target} --abort'."):
        if handle.blockJobInfo(target, 0):
            handle.blockJobAbort(target, 0)
    raise GoldenError(doing, "the run was told to end", AGAIN)


def verify(hypervisor: Hypervisor, name: str, target: str, doing: str) -> None:
    """A job that failed is gone as one that succeeded is: the file itself tells, once its pool is read anew."""
    disk = next(disk for disk in domains.read_live(hypervisor, name).disks if disk.target == target)
    path = chains.file_of(hypervisor, disk) or ""
    files.pool_at(hypervisor, posixpath.dirname(path)).refresh()
    backing = files.volume_at(hypervisor, path).backing
    if backing:
        raise GoldenError(
            doing,
            f"the job ended, and the disk still is an overlay of {backing}",
            "See the domain's log on the hypervisor (/var/log/libvirt/qemu) and the space in the pool. " + AGAIN,
        )
