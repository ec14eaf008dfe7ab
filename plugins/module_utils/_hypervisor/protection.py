# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps others from a version's files on this machine: their mode and owner, and the immutable flag, which
`chattr +i` sets: not even root writes to, renames, deletes or chowns a file that has it.

libvirt gives the base of a clone to QEMU's user when the clone starts, and never takes it back; of a file with this
flag it sees that it may not, and goes on. Not so with SELinux: there a label that cannot be set keeps the clone from
starting (virSecuritySELinuxSetFilecon), so that nothing is made immutable where SELinux is in use. Its labels let
QEMU only read a base anyway.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.streams import file_errors

MODE = 0o444
# FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of linux/fs.h: declared for a long, made with an int.
LONG = struct.calcsize("l")
GET, SET = 0x80006601 | LONG << 16, 0x40006602 | LONG << 16
IMMUTABLE = 0x10
# linux/capability.h
CAP_LINUX_IMMUTABLE = 9
SELINUX = "/sys/fs/selinux/enforce"


def forbid_writing(path: str) -> None:
    """Let nobody write to a file, and nobody but root own it where this is root: as libvirt makes volumes."""
    with file_errors(f"taking the leave to write to {path}"):
        os.chmod(path, MODE)
        if os.geteuid() == 0:
            os.chown(path, 0, 0)


@contextmanager
def opened(path: str) -> Iterator[int]:
    """The file itself, no link to it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def flags_of(descriptor: int) -> int:
    return int(struct.unpack_from("=I", fcntl.ioctl(descriptor, GET, bytes(LONG)))[0])


def is_immutable(path: str) -> bool | None:
    """Whether a file has the flag; None for one that has not and cannot get it from this process."""
    try:
        with opened(path) as descriptor:
            flags = flags_of(descriptor)
    except OSError:
        return None
    if flags & IMMUTABLE:
        return True
    return False if may_set() and not os.path.exists(SELINUX) else None


def may_set() -> bool:
    """Whether this process has the capability that the flag takes: root has, but in most containers."""
    with suppress(OSError), open("/proc/self/status", encoding="ascii", errors="replace") as status:
        for line in status:
            name, _colon, value = line.partition(":")
            if name == "CapEff":
                return bool(int(value, 16) >> CAP_LINUX_IMMUTABLE & 1)
    return False


def set_immutable(path: str, wanted: bool) -> None:
    """Give a file the flag, or take it. Where the system refuses, the file stays as it is.

    One that has more names is not given it, since it could not lose them: it is being frozen in place.
    """
    if wanted and os.path.exists(SELINUX):
        return
    with suppress(OSError), opened(path) as descriptor:
        if wanted and os.fstat(descriptor).st_nlink > 1:
            return
        flags = flags_of(descriptor)
        changed = flags | IMMUTABLE if wanted else flags & ~IMMUTABLE
        fcntl.ioctl(descriptor, SET, struct.pack("=I", changed).ljust(LONG, b"\0"))
