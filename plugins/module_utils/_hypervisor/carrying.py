# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes from a volume of one hypervisor to a volume of another, holes as holes."""

from __future__ import annotations

from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import asking
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.streams import patiently, send_all
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt

# Where a transfer is taken up again: what was written last before a crash may not have reached the disk.
STEP = 16 * 1024 * 1024


def carry(source: Pool, target: Pool, volume: str, there: int) -> None:
    """Bring a volume over, of which the first *there* bytes are there already. Written in order, so that the length of
    what is there says how far a run came that was interrupted."""
    offset = max(0, there // STEP - 1) * STEP
    with asking(f"bringing volume {volume} from {source.hypervisor.uri} to {target.hypervisor.uri}"):
        coming, going = source.hypervisor.conn.newStream(0), target.hypervisor.conn.newStream(0)
        try:
            down, up = libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM
            patiently(lambda: source.handle_of(volume).download(coming, offset, 0, down))
            patiently(lambda: target.handle_of(volume).upload(going, offset, 0, up))
            coming.sparseRecvAll(on_data, on_hole, going)
            coming.finish()
            going.finish()
        except BaseException:
            for stream in (coming, going):
                abort(stream)
            raise


def on_data(_coming: Any, data: bytes, going: libvirt.virStream) -> int:
    send_all(going, data)
    return len(data)


def on_hole(_coming: Any, length: int, going: libvirt.virStream) -> int:
    going.sendHole(length, 0)
    return 0


def abort(stream: libvirt.virStream) -> None:
    try:
        stream.abort()
    except libvirt.libvirtError:
        return  # it has ended
