# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying the disks of a running domain as they were at one instant, while it goes on (libvirt's backup job)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains, quiescing
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, asking
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.progress import Progress
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt
from ansible_collections.golden.libvirt.plugins.module_utils._xml import backup as backup_xml

POLL_SECONDS = 0.2
ABORT_SECONDS = 30
# A domain has one such job at a time, and a task has one source.
ONE_AT_A_TIME = threading.Lock()
# Where jobInfo() has how much there is to copy and how much is copied (fileTotal, fileProcessed of virDomainJobInfo).
TOTAL, DONE = 9, 10


@dataclass(frozen=True)
class Watch:
    """Who hears of a job: *ending* is set when it is to be aborted, *tell* is told now and then how far it is."""

    ending: threading.Event
    tell: Callable[[str], None]


@dataclass(frozen=True)
class Pushed:
    """*fallback* is why the guest was not quiesced although that was to be tried. *aside* is what was read besides."""

    fallback: str
    aside: bytes


def push(
    hypervisor: Hypervisor,
    name: str,
    targets: Mapping[str, str],
    *,
    quiesce: str | None,
    watch: Watch,
    aside: Callable[[], bytes] = bytes,
) -> Pushed:
    """Write the disks of the domain *name*, flattened, to qcow2 files that are there ({disk: path}).

    *quiesce* (try, required or None) as in quiescing.frozen. *aside* reads something that belongs to the same instant:
    it is read before and after that, and the job is aborted where the two differ.
    """
    disks = [disk.target for disk in domains.read_live(hypervisor, name).disks]
    xml = backup_xml.push_job(disks, targets)
    handle, doing = domains.handle_of(hypervisor, name), f"copying the disks of domain {name} while it runs"
    with ONE_AT_A_TIME, asking(doing):
        begun = False
        if handle.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:  # for which libvirt would wait, and the guest be frozen
            advice = f"Let it end, or end it where a run that was killed has left it: 'virsh domjobabort {name}'."
            raise GoldenError(doing, "it has a job already, such as a backup", advice)
        try:
            with quiescing.frozen(hypervisor, name, quiesce) as fallback:
                before = aside()
                handle.backupBegin(xml, None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL)
                begun = True
                if aside() != before:
                    raise GoldenError(doing, "its UEFI variables were written to at that instant", "Run it again.")
            wait(handle, doing, watch)
        except BaseException:
            if begun:
                abort(handle)
            raise
    return Pushed(fallback, before)


def wait(handle: libvirt.virDomain, doing: str, watch: Watch) -> None:
    """Until the job is done; raises where it failed, or is to end."""
    progress = Progress(doing, 0, watch.tell)
    while (info := handle.jobInfo())[0] != libvirt.VIR_DOMAIN_JOB_NONE:
        progress.total = info[TOTAL]
        if info[DONE] < info[TOTAL]:
            progress.at(info[DONE])
        if watch.ending.wait(POLL_SECONDS):
            raise GoldenError(doing, "the run was told to end", "Run it again.")
    how = handle.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
    if how.get("type") != libvirt.VIR_DOMAIN_JOB_COMPLETED:
        reason = how.get("errmsg") or "the job ended early"
        raise GoldenError(doing, reason, "See that it runs and its pool has room.")
    progress.at(progress.total)


def abort(handle: libvirt.virDomain) -> None:
    """End the job, and wait until QEMU has let go of its files."""
    end = time.monotonic() + ABORT_SECONDS
    with suppress(libvirt.libvirtError):
        handle.abortJob()
        while handle.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
