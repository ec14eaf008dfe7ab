# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copies that share their blocks with the original until one is written to, where the file system can (xfs, btrfs).

libvirt makes such copies of raw volumes only.
"""

from __future__ import annotations

import fcntl
import struct
import tempfile
from typing import IO

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import DIRECTORIES, Pool
from ansible_collections.golden.libvirt.plugins.module_utils._model import Volume

# ioctl_ficlone(2)
FICLONE = 0x40049409
QCOW2 = b"QFI\xfb"
# Of its "incompatible features": dirty, corrupt, external data file (docs/interop/qcow2.txt of QEMU).
NOT_WHOLE = 0b111


def copied(pool: Pool, xml: str, name: str, source: Volume) -> bool:
    """Make the volume *name* of *xml* a reflink of the file *source*; False, and nothing made, where that cannot be."""
    if not (pool.hypervisor.local and pool.type in DIRECTORIES) or source.backing:
        return False
    try:
        with open(source.path, "rb") as original:
            if source.format == "qcow2" and not is_whole(original.read(80)):
                return False
            # Tried on a file without a name first.
            with tempfile.TemporaryFile(dir=pool.path) as trial:
                fcntl.ioctl(trial, FICLONE, original.fileno())
            fill(pool, pool.create(xml, name), original)
    except OSError:
        return False
    return True


def fill(pool: Pool, volume: Volume, original: IO[bytes]) -> None:
    """Put the reflink into the new *volume*; where that fails, the volume goes."""
    try:
        with open(volume.path, "r+b") as copy:
            copy.truncate(0)
            fcntl.ioctl(copy, FICLONE, original.fileno())
    except OSError:
        pool.delete(volume.name)
        raise


def is_whole(header: bytes) -> bool:
    """Whether a qcow2 file is all there is of its disk, and nothing but it: no backing file, no snapshots in it."""
    magic, version, backing = struct.unpack_from(">4sIQ", header)
    (snapshots,) = struct.unpack_from(">I", header, 60)
    features = struct.unpack_from(">Q", header, 72)[0] if version > 2 else 0
    return bool(magic == QCOW2 and not backing and not snapshots and not features & NOT_WHOLE)
