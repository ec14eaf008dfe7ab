# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of this machine that become a version's: their names, and who may write to them."""

from __future__ import annotations

import fcntl
import os
import posixpath
import stat
from contextlib import closing, suppress
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils._disk import qcow2
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.copying import CONVERT, Execute
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.protection import forbid_writing
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.reading import LocalFile
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.streams import file_errors
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._xml import volume as volume_xml

# What an overlay is called, after its file's shelter, before it gets the file's own name.
OVERLAY = ".overlay"


def same_file(path: str, other: str) -> bool:
    """Whether two names are of one file; False where one of them is not there."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except OSError:
        return False


def regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def backing_of(path: str) -> str | None:
    """What the qcow2 file *path* itself says that it is laid over; None for any other file."""
    with suppress(qcow2.Unreadable, OSError), closing(LocalFile(path)) as file:
        return qcow2.read(file).backing
    return None


def bare(path: str) -> bool:
    """Whether a qcow2 file holds nothing of its own; False for what cannot be read."""
    with suppress(qcow2.Unreadable, OSError), closing(LocalFile(path)) as file:
        return qcow2.read(file).bare
    return False


def left_over(path: str, shelter: str) -> bool:
    """Whether what a killed run may have left beside the file *path*, the next overlay's name, loses nothing."""
    name = shelter + OVERLAY
    return same_file(name, path) or (regular(name) and backing_of(name) == shelter and bare(name))


def keep_others_away(hypervisor: Hypervisor, path: str, shelter: str) -> None:
    """Let no other run on this machine freeze the file *path*, or make up for a freeze of it, until this one ends.

    What is locked (flock, which neither QEMU nor libvirt uses) is the file that is frozen, whichever of its names it
    has. On a file system without such locks nothing is. Raises GoldenError where another run is at it.
    """
    while True:
        name = shelter if regular(shelter) else path
        try:
            with file_errors(f"looking at {path}"):
                descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except GoldenError as err:
            if isinstance(err.__cause__, PermissionError):
                return  # which is an obstacle, told with all others
            raise
        hypervisor.closing.callback(os.close, descriptor)
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino) in hypervisor.kept:
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            advice = "Let that end, and run this again."
            raise GoldenError(f"freezing {path}", "another run is freezing it", advice) from err
        except OSError:
            return
        if name == (shelter if regular(shelter) else path) and os.path.samestat(found, os.lstat(name)):
            hypervisor.kept.add((found.st_dev, found.st_ino))
            return


def add_name(path: str, name: str) -> None:
    """Give the file *path* another *name*, which nothing has yet."""
    doing = f"giving {path} the name {name}"
    with file_errors(doing):
        try:
            os.link(path, name)
        except FileExistsError as err:
            raise GoldenError(doing, "there is a file of that name", "See what made it, and run this again.") from err


def drop_name(name: str) -> None:
    """Take a file one of its names; nothing where there is none."""
    with file_errors(f"removing the name {name}"):
        if os.path.lexists(name):
            os.unlink(name)


def drop_twin(name: str) -> None:
    """Take a file one of its names, where that is not its last one."""
    if os.path.lexists(name) and os.lstat(name).st_nlink < 2:
        raise GoldenError(f"removing {name}", "the file has no other name", "See where the domain's disk is.")
    drop_name(name)


def lay_overlay(pool: Pool, path: str, shelter: str, capacity: int) -> None:
    """Let an overlay over the file *path*, which is called *shelter* too, take its name in one step.

    *pool* is the one over its directory. The overlay may be read and written by whom the file may.
    """
    overlay = shelter + OVERLAY
    if left_over(path, shelter):
        drop_name(overlay)
    pool.refresh()
    name = posixpath.basename(overlay)
    pool.create(volume_xml.new_volume(name, capacity, "qcow2", backing=shelter, backing_format="qcow2"), name)
    with file_errors(f"laying an overlay over {path}"):
        was = os.stat(path)
        os.chown(overlay, was.st_uid, was.st_gid)
        os.chmod(overlay, stat.S_IMODE(was.st_mode))
        os.rename(overlay, path)
        sync_directory(path)
    pool.refresh()


def take_back(pool: Pool, path: str, shelter: str, runs: Callable[[], bool]) -> None:
    """Give the file *shelter* its own name *path* back, which the overlay over it has, or is to get.

    *runs* tells whether a domain runs on that overlay. Where one does, or has written to it, all stays as it is.
    """
    doing = f"taking back the overlay over {shelter}"
    if left_over(path, shelter):
        drop_name(shelter + OVERLAY)
    with file_errors(doing):
        if same_file(path, shelter):
            os.unlink(shelter)
        elif backing_of(path) != shelter or not regular(shelter):
            raise GoldenError(doing, f"{path} is no overlay over it", "See what made these files.")
        elif not replaced(path, shelter, runs):
            reason = f"its domain was started, and writes to the overlay {path}"
            raise GoldenError(doing, reason, "Shut it down, leave it off, and run this again: it says what to merge.")
        sync_directory(path)
    pool.refresh()


def replaced(path: str, shelter: str, runs: Callable[[], bool]) -> bool:
    """Put the file *shelter* in the overlay's place, which is kept until it is known that nobody writes to it; whether
    it stays there."""
    kept = shelter + OVERLAY
    os.link(path, kept)
    if not runs() and bare(kept):
        os.rename(shelter, path)
        if not runs() and bare(kept):
            os.unlink(kept)
            return True
        os.link(path, shelter)
        os.rename(kept, path)
    else:
        os.unlink(kept)
    return False


def require_laid(path: str, shelter: str, frozen: str) -> None:
    """Refuse where *path* is not an overlay over *frozen*, by that name or, as long as it has that, its *shelter*."""
    below = backing_of(path)
    if below != frozen and not (below == shelter and same_file(shelter, frozen)):
        reason = f"{path} is no overlay over {shelter}, or that is another file"
        raise GoldenError(f"building {path} on {frozen}", reason, "See what made these files, and run this again.")


def settle(path: str, shelter: str, frozen: str, execute: Execute) -> None:
    """Build the overlay *path* on *frozen*, which is another name of its *shelter*, and drop that. Twice is once."""
    require_laid(path, shelter, frozen)
    forbid_writing(frozen)
    if backing_of(path) != frozen:
        rebase(path, frozen, execute, f"building {path} on {frozen}")
    with file_errors(f"removing {shelter}"):
        if same_file(shelter, frozen):
            os.unlink(shelter)
        sync_directory(path)


def rebase(path: str, below: str, execute: Execute, doing: str) -> None:
    """Write down that the overlay *path* is built on *below*, which has the same content as what it was built on."""
    status, _said, error = execute([CONVERT, "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", below, path])
    if status:
        raise GoldenError(doing, error.strip(), "Run this again.")


def sync_directory(path: str) -> None:
    """See that the names in a file's directory are on the disk."""
    descriptor = os.open(posixpath.dirname(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
