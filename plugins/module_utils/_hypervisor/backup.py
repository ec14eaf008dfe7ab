# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying the disks of a running domain as they were at one instant, while it goes on (libvirt's backup job)."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import agent, domains
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, asking
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt
from ansible_collections.golden.libvirt.plugins.module_utils._xml import backup as backup_xml

POLL_SECONDS = 0.2
# A domain has one such job at a time, and a task has one source.
ONE_AT_A_TIME = threading.Lock()


def push(hypervisor: Hypervisor, name: str, targets: Mapping[str, str]) -> None:
    """Write the disks of the domain *name*, flattened, to qcow2 files that are there ({disk: path}).

    A guest whose agent answers is asked to put what it has not written yet to its disks first.
    """
    disks = [disk.target for disk in domains.read_live(hypervisor, name).disks]
    xml = backup_xml.push_job(disks, targets)
    handle = domains.handle_of(hypervisor, name)
    with ONE_AT_A_TIME, asking(f"copying the disks of domain {name} while it runs"):
        with frozen(hypervisor, handle):
            handle.backupBegin(xml, None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL)
        try:
            while handle.jobInfo()[0] != libvirt.VIR_DOMAIN_JOB_NONE:
                time.sleep(POLL_SECONDS)
            how = handle.jobStats(libvirt.VIR_DOMAIN_JOB_STATS_COMPLETED)
        except BaseException:
            with suppress(libvirt.libvirtError):
                handle.abortJob()
            raise
    if how.get("type") != libvirt.VIR_DOMAIN_JOB_COMPLETED:
        reason = how.get("errmsg") or "the job ended early"
        raise GoldenError(f"copying the disks of domain {name}", reason, "See that it runs and its pool has room.")


@contextmanager
def frozen(hypervisor: Hypervisor, handle: libvirt.virDomain) -> Iterator[None]:
    """The guest's file systems at rest, where its agent can do that; they are always let go."""
    able = agent.answers(hypervisor, handle.name())
    try:
        if able:
            with suppress(libvirt.libvirtError):
                handle.fsFreeze(None, 0)
        yield
    finally:
        if able:
            with suppress(libvirt.libvirtError):
                handle.fsThaw(None, 0)
