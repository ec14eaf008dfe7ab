# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and devices by their path, whether a pool covers them or not."""

from __future__ import annotations

import os
import posixpath
import stat
from contextlib import suppress

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, NotFound
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor, asking
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool, set_up
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt
from ansible_collections.golden.libvirt.plugins.module_utils._model import Volume
from ansible_collections.golden.libvirt.plugins.module_utils._xml import volume as volume_xml

# How a qcow2 image begins (docs/interop/qcow2.txt of QEMU).
QCOW2 = b"QFI\xfb"


def pool_at(hypervisor: Hypervisor, directory: str) -> Pool:
    """The pool over *directory*, or a transient one that lives as long as the connection's task."""
    with hypervisor.lock:
        found = pool_over(hypervisor, directory)
        if found:
            return found.needed()
        try:
            return Pool(hypervisor, set_up(hypervisor, directory)).needed()
        except GoldenError:
            found = pool_over(hypervisor, directory)  # somebody may just have started one
            if found:
                return found.needed()
            raise


def pool_over(hypervisor: Hypervisor, directory: str) -> Pool | None:
    """The active pool whose files are those of *directory*."""
    with asking("listing pools"):
        handles = hypervisor.conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
    for handle in handles:
        with suppress(libvirt.libvirtError):  # a transient one may go meanwhile
            if volume_xml.pool_of(handle.XMLDesc(0)).path == directory:
                return Pool(hypervisor, handle)
    return None


def idle_pools(hypervisor: Hypervisor) -> dict[str, str]:
    """The pools that are not active, by directory: libvirt lets no other one look there."""
    found: dict[str, str] = {}
    with asking("listing pools"):
        for handle in hypervisor.conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_INACTIVE):
            with suppress(libvirt.libvirtError):  # one that goes meanwhile
                found[volume_xml.pool_of(handle.XMLDesc(0)).path] = handle.name()
    return found


def volume_at(hypervisor: Hypervisor, path: str) -> Volume:
    """The volume that is the file or block device *path*, whether a pool covers it or not; NotFound without one.

    A block device of another machine has to be in a pool.
    """
    try:
        handle = handle_at(hypervisor, path)
    except NotFound:
        device = device_at(path) if hypervisor.local and path.startswith("/dev/") else None
        if device is None:
            raise
        return device
    try:
        return volume_xml.volume_of(handle.storagePoolLookupByVolume().name(), handle.XMLDesc(0))
    except libvirt.libvirtError as err:  # the pool knows it, but it is gone
        raise unreadable(path, err) from err


def device_at(path: str) -> Volume | None:
    """A block device of this machine, as a volume of no pool; None where there is none that this process can read."""
    try:
        if not stat.S_ISBLK(os.stat(path).st_mode):
            return None
        with open(path, "rb", buffering=0) as device:
            form = "qcow2" if device.read(len(QCOW2)) == QCOW2 else "raw"
            size = device.seek(0, os.SEEK_END)
    except OSError:
        return None
    return Volume("", posixpath.basename(path), path, form, size, size, size)


def find_at(hypervisor: Hypervisor, path: str) -> Volume | None:
    """The volume at *path*, or None where there is none."""
    try:
        return volume_at(hypervisor, path)
    except NotFound:
        return None


def handle_at(hypervisor: Hypervisor, path: str) -> libvirt.virStorageVol:
    """libvirt's handle of the volume at *path*; NotFound where there is no such file."""
    try:
        return hypervisor.conn.storageVolLookupByPath(path)
    except libvirt.libvirtError as err:
        if path.startswith("/dev/"):  # looking into it as a directory would open every device
            raise unreadable(path, err) from err
    try:
        pool_at(hypervisor, posixpath.dirname(path)).refresh()
        return hypervisor.conn.storageVolLookupByPath(path)
    except (libvirt.libvirtError, GoldenError) as err:
        raise unreadable(path, err) from err


def unreadable(path: str, err: Exception) -> NotFound:
    advice = "Define a pool that it belongs to." if path.startswith("/dev/") else "Check that it is there."
    return NotFound(
        f"looking for {path} on the hypervisor", err.reason if isinstance(err, GoldenError) else str(err), advice
    )
