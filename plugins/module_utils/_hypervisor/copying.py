# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making a version's volume out of a disk: flat, compact, its digest taken on the way where that can be."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils._disk import compact, qcow2
from ansible_collections.golden.libvirt.plugins.module_utils._errors import AlreadyThere, GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import chains, files, protection, reading
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.progress import Progress, watching
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.streams import file_errors
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._xml import volume as volume_xml

CONVERT = "qemu-img"
# Runs a command; gives its exit status, output and errors.
Execute = Callable[[list[str]], tuple[int, str, str]]


@dataclass(frozen=True)
class Copy:
    """A *volume* of *capacity* bytes to be made of the file or block device *source*, or of what its internal
    *snapshot* holds; *compress* is zstd, zlib or empty. *ours* says that its name is this run's: what is there of that
    name was left by a dead one."""

    source: str
    volume: str
    capacity: int
    format: str = "qcow2"
    snapshot: str | None = None
    compress: str = ""
    mode: str = volume_xml.FROZEN
    ours: bool = True

    @property
    def xml(self) -> str:
        return volume_xml.new_volume(self.volume, self.capacity, self.format, mode=self.mode)


def copy(hypervisor: Hypervisor, pool: Pool, wanted: Copy, tell: Callable[[str], None], execute: Execute) -> str:
    """Make the volume; returns its digest.

    Read and digested in one pass where the disk's files can be read here; libvirt copies what else there is. The bytes
    of an internal snapshot are left alone by a guest that runs, but only as long as the snapshot is there.
    """
    if not wanted.snapshot:
        return made(hypervisor, pool, wanted, tell, execute)
    then = reading.snapshot_in(hypervisor, wanted.source, wanted.snapshot)
    digest = made(hypervisor, pool, wanted, tell, execute)
    try:
        if reading.snapshot_in(hypervisor, wanted.source, wanted.snapshot) != then:
            doing = f"reading snapshot {wanted.snapshot} in {wanted.source}"
            raise GoldenError(doing, "another one has its name now", "See what is there and run this again.")
    except GoldenError:
        dropped(pool, wanted.volume)
        raise
    return digest


def made(hypervisor: Hypervisor, pool: Pool, wanted: Copy, tell: Callable[[str], None], execute: Execute) -> str:
    if wanted.compress:
        return converted(hypervisor, pool, wanted, tell, execute)
    if wanted.format == "qcow2" and (hypervisor.local or wanted.snapshot):
        try:
            with file_errors(f"copying {wanted.source} into {wanted.volume}", PermissionError):
                return in_one_pass(hypervisor, pool, wanted, tell)
        except (qcow2.Unreadable, PermissionError) as err:  # other means may read it
            if wanted.snapshot and hypervisor.local:
                return converted(hypervisor, pool, wanted, tell, execute)
            if wanted.snapshot:
                doing = f"reading snapshot {wanted.snapshot} in {wanted.source}"
                raise Refused(doing, str(err), "Run this on the hypervisor itself, or revert to the snapshot.") from err
    source = files.handle_at(hypervisor, wanted.source)
    with watching(hypervisor, pool, wanted.volume, tell):
        anew(pool, wanted.volume, lambda: pool.copy(wanted.xml, wanted.volume, source), ours=wanted.ours)
    return pool.durable_sha256(wanted.volume)


def anew(pool: Pool, volume: str, make: Callable[[], object], *, ours: bool = True) -> None:
    """Make a volume; where its name is *ours*, after removing one that libvirt made late for a run that had died."""
    try:
        make()
    except AlreadyThere:
        if not ours:
            raise
        pool.delete(volume)
        make()


def dropped(pool: Pool, volume: str) -> None:
    """Away with what came to nothing."""
    with suppress(GoldenError):
        pool.delete(volume)


def in_one_pass(hypervisor: Hypervisor, pool: Pool, wanted: Copy, tell: Callable[[str], None]) -> str:
    chain = list(chains.chain_of(hypervisor, wanted.source).values()) or [files.volume_at(hypervisor, wanted.source)]
    with reading.disk_pieces(hypervisor, chain, wanted.snapshot) as pieces:
        layout, blocks = compact.image(wanted.capacity, pieces)
        anew(pool, wanted.volume, lambda: pool.create(wanted.xml, wanted.volume), ours=wanted.ours)
        try:
            return pool.fill(wanted.volume, counted(blocks, Progress(wanted.volume, layout.size, tell)), layout.size)
        except BaseException:
            dropped(pool, wanted.volume)
            raise


def counted(blocks: Iterable[bytes], progress: Progress) -> Iterator[bytes]:
    done = 0
    for block in blocks:
        yield block
        done += len(block)
        progress.at(done)


def converted(hypervisor: Hypervisor, pool: Pool, wanted: Copy, tell: Callable[[str], None], execute: Execute) -> str:
    """qemu-img alone compresses, and reads what is compressed in internal snapshots: libvirt has no word for either."""
    anew(pool, wanted.volume, lambda: pool.create(wanted.xml, wanted.volume), ours=wanted.ours)
    options = "compat=1.1" + (f",compression_type={wanted.compress}" if wanted.compress else "")
    command = [CONVERT, "convert", *(["-c"] if wanted.compress else []), "-W", "-O", "qcow2", "-o", options]
    if wanted.snapshot:
        command += ["-U", "-l", "snapshot.name=" + wanted.snapshot.replace(",", ",,")]
    form = files.volume_at(hypervisor, wanted.source).format
    try:
        with watching(hypervisor, pool, wanted.volume, tell):
            run(execute, [*command, "-f", form, wanted.source, pool.path_of(wanted.volume)], wanted)
    except BaseException:
        dropped(pool, wanted.volume)
        raise
    return pool.durable_sha256(wanted.volume)


def run(execute: Execute, command: list[str], wanted: Copy) -> None:
    status, _said, error = execute(command)
    if status:
        advice = "Free space in the pool and run this again." if "space" in error else ""
        raise GoldenError(f"copying {wanted.source} into {wanted.volume}", error.strip(), advice)


def reader(hypervisor: Hypervisor, path: str | None) -> Callable[[], bytes]:
    """What reads the small file *path* whole, each time anew; nothing where there is none."""
    volume = files.find_at(hypervisor, path) if path else None
    pool = files.pool_at(hypervisor, posixpath.dirname(volume.path)) if volume else None
    return lambda: pool.download(volume.name) if pool and volume else b""


def begin(pool: Pool, volume: str, capacity: int) -> None:
    """An empty qcow2 volume that QEMU is to fill, which needs leave to write."""
    anew(pool, volume, lambda: pool.create(volume_xml.new_volume(volume, capacity, "qcow2"), volume))


def finished(pool: Pool, volume: str) -> dict[str, object]:
    """Freeze a volume that QEMU has filled, on this machine; its size and digest."""
    protection.forbid_writing(pool.path_of(volume))
    pool.refresh()
    return {"sha256": pool.durable_sha256(volume), "size": pool.read(volume).size}


def written(pool: Pool, volume: str, content: bytes) -> dict[str, object]:
    """A raw volume with *content*; its size and digest."""
    xml = volume_xml.new_volume(volume, len(content), "raw", mode=volume_xml.FROZEN)
    anew(pool, volume, lambda: pool.create(xml, volume))
    pool.upload(volume, content)
    return {"sha256": pool.durable_sha256(volume), "size": pool.read(volume).size}
