# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of emulated TPMs: files of swtpm's on the hypervisor, for which libvirt has no word.

libvirt runs swtpm_setup only where a domain's directory is not there yet, gives it to swtpm's user at each start, and
removes it with the domain (src/qemu/qemu_tpm.c).
"""

from __future__ import annotations

import os
import posixpath
import stat
from urllib.parse import urlsplit

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.streams import file_errors

STATES = "/var/lib/libvirt/swtpm"
LOCK = ".lock"


def hindrance(hypervisor: Hypervisor) -> str:
    """Why the state of TPMs cannot be read and written here, in words; empty where it can."""
    if not hypervisor.local or urlsplit(hypervisor.uri).path != "/system":
        return "its TPM's state is in files of the hypervisor's: run the task there, with uri qemu:///system"
    return "" if os.geteuid() == 0 else "its TPM's state is readable for root only: let the task have 'become: true'"


def directory(uuid: str, kind: str) -> str:
    """Where a domain's TPM of that kind (tpm1.2 or tpm2) keeps its state."""
    return posixpath.join(STATES, uuid, kind)


def exists(path: str) -> bool:
    """Whether there is any state in a directory: there is none before the first start."""
    return os.path.isdir(path) and any(name != LOCK for name in os.listdir(path))


def copy(source: str, target: str) -> None:
    """Copy the state, owners and modes with it, to a domain that has none. swtpm's own files, and nothing they lead to:
    whoever holds swtpm can put links there."""
    doing = f"copying the state of a TPM from {source}"
    with file_errors(doing):
        os.makedirs(posixpath.dirname(target), exist_ok=True)
        # As libvirt makes it, whatever the umask: swtpm goes through it as a user of its own.
        os.chmod(posixpath.dirname(target), 0o711)
        there = os.open(source, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(there)
            os.mkdir(target, 0o700)
            for name in sorted(os.listdir(there)):
                if name != LOCK:
                    copy_file(there, name, posixpath.join(target, name), doing)
            os.chown(target, status.st_uid, status.st_gid)
        finally:
            os.close(there)


def copy_file(directory: int, name: str, target: str, doing: str) -> None:
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    with open(source, "rb") as original:
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode):
            raise GoldenError(doing, f"{name} is no regular file", "See what is in that directory.")
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as made:
            made.write(original.read())
            os.fchown(made.fileno(), status.st_uid, status.st_gid)
            os.fchmod(made.fileno(), stat.S_IMODE(status.st_mode) & 0o660)
            os.fsync(made.fileno())
