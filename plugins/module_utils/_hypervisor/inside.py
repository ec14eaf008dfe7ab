# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a qcow2 file says of itself that libvirt does not tell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from ansible_collections.golden.libvirt.plugins.module_utils._disk import qcow2
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import files
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.reading import opened
from ansible_collections.golden.libvirt.plugins.module_utils._model import Volume


@contextmanager
def image_in(hypervisor: Hypervisor, volume: Volume) -> Iterator[qcow2.Image]:
    """The image in a file. Raises qcow2.Unreadable, or OSError where this process may not read it."""
    with opened(hypervisor, volume) as file:
        yield qcow2.read(file)


def untouched(hypervisor: Hypervisor, volume: Volume) -> bool:
    """Whether an overlay has nothing of its own, so that it is the same disk as the file that it is laid over."""
    below = files.find_at(hypervisor, volume.backing) if volume.backing else None
    try:
        with image_in(hypervisor, volume) as image:
            return below is not None and image.bare and image.now.capacity == below.capacity
    except (qcow2.Unreadable, OSError):
        return False


def snapshots_in(hypervisor: Hypervisor, volume: Volume) -> tuple[str, ...]:
    """The names of the internal snapshots in a file, two of which may be the same.

    Raises GoldenError where it cannot be read.
    """
    try:
        with image_in(hypervisor, volume) as image:
            return image.names
    except (qcow2.Unreadable, OSError) as err:
        raise GoldenError(f"looking into {volume.path}", str(err)) from err


def snapshots_by_path(hypervisor: Hypervisor, volumes: Iterable[Volume]) -> dict[str, tuple[str, ...]]:
    """The names of the internal snapshots in each of the qcow2 files, as far as they can be read."""
    found: dict[str, tuple[str, ...]] = {}
    for volume in volumes:
        if volume.format == "qcow2":
            with suppress(GoldenError):
                found[volume.path] = snapshots_in(hypervisor, volume)
    return found
