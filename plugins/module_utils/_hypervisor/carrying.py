# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes from a volume of one hypervisor to a volume of another, holes as holes."""

from __future__ import annotations

from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import asking
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.progress import Progress
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.streams import patiently, send_all
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._libvirt_dep import libvirt

# Where a transfer is taken up again: what was written last before a crash may not have reached the disk.
STEP = 16 * 1024 * 1024


class Carrying:
    """What goes into a stream: the *data*, of which there were *bytes*, and holes. *progress* is told where it is."""

    def __init__(self, going: libvirt.virStream, offset: int, progress: Progress) -> None:
        self.going = going
        self.bytes = 0
        self.offset = offset
        self.progress = progress

    def on_data(self, _coming: Any, data: bytes, _opaque: Any) -> int:
        send_all(self.going, data)
        self.bytes += len(data)
        self.moved(len(data))
        return len(data)

    def on_hole(self, _coming: Any, length: int, _opaque: Any) -> int:
        self.going.sendHole(length, 0)
        self.moved(length)
        return 0

    def moved(self, length: int) -> None:
        self.offset += length
        self.progress.at(self.offset)


def carry(source: Pool, target: Pool, volume: str, there: int, progress: Progress) -> int:
    """Bring a volume over, of which the first *there* bytes are there already; returns how many bytes came.

    Written in order, so that the length of what is there says how far a run came that was interrupted.
    """
    offset = max(0, there // STEP - 1) * STEP
    with asking(f"bringing volume {volume} from {source.hypervisor.uri} to {target.hypervisor.uri}"):
        coming, going = source.hypervisor.conn.newStream(0), target.hypervisor.conn.newStream(0)
        try:
            down, up = libvirt.VIR_STORAGE_VOL_DOWNLOAD_SPARSE_STREAM, libvirt.VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM
            patiently(lambda: source.handle_of(volume).download(coming, offset, 0, down))
            patiently(lambda: target.handle_of(volume).upload(going, offset, 0, up))
            carrying = Carrying(going, offset, progress)
            coming.sparseRecvAll(carrying.on_data, carrying.on_hole, None)
            coming.finish()
            going.finish()
            return carrying.bytes
        except BaseException:
            for stream in (coming, going):
                abort(stream)
            raise


def abort(stream: libvirt.virStream) -> None:
    try:
        stream.abort()
    except libvirt.libvirtError:
        return  # it has ended
