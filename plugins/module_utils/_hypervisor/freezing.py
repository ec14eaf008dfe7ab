# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of this machine that become a version's: their names, and who may write to them."""

from __future__ import annotations

import os
import posixpath
import stat

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.copying import CONVERT, Execute
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.protection import forbid_writing
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.streams import file_errors
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool
from ansible_collections.golden.libvirt.plugins.module_utils._xml import volume as volume_xml

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


def add_name(path: str, name: str) -> None:
    """Give the file *path* another *name*; where it has it already that is fine."""
    with file_errors(f"giving {path} the name {name}"):
        if not same_file(path, name):
            os.link(path, name)


def drop_name(name: str) -> None:
    """Take a file one of its names; nothing where there is none."""
    with file_errors(f"removing the name {name}"):
        if os.path.lexists(name):
            os.unlink(name)


def lay_overlay(pool: Pool, path: str, shelter: str, capacity: int) -> None:
    """Let an overlay over the file *path*, which is called *shelter* from now on, take its name in one step.

    *pool* is the one over its directory. The overlay may be read and written by whom the file may.
    """
    overlay = path + OVERLAY
    add_name(path, shelter)
    pool.refresh()
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


def take_back(pool: Pool, path: str, shelter: str) -> None:
    """Give the file *shelter* its own name back, which the overlay over it has."""
    drop_name(path + OVERLAY)
    with file_errors(f"taking back the overlay over {shelter}"):
        if os.path.lexists(shelter):
            os.rename(shelter, path)
            drop_name(shelter)  # renaming one name of a file to another one of it does nothing
            sync_directory(path)
    pool.refresh()


def settle(path: str, shelter: str, frozen: str, execute: Execute) -> None:
    """Build the overlay *path* on *frozen*, which is another name of its *shelter*, and drop that. Twice is once."""
    forbid_writing(frozen)
    if os.path.lexists(shelter):
        doing = f"building {path} on {frozen}"
        if not same_file(shelter, frozen):
            raise GoldenError(doing, f"{shelter} is another file", "See what made it.")
        rebase(path, frozen, execute, doing)
        drop_name(shelter)
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
