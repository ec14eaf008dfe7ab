# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volumes brought by rsync, which sends what the nearest volume that is there already has not.

That volume's bytes are put where the new one is to be, and rsync makes the new one of them, in a file beside it. (Into
the same file it could not use what it has overwritten: in a disk image that has grown somewhere all that follows is
further back.) An interrupted rsync leaves there what it has received. The next run adds the nearest volume's bytes to
that, so that neither is sent again.
"""

from __future__ import annotations

import glob
import os
import re
import shutil
from contextlib import closing, suppress
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.copying import Execute
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.reading import LocalFile
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.streams import BLOCK, file_errors
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import DIRECTORIES, Pool
from ansible_collections.golden.libvirt.plugins.module_utils._xml.volume import FROZEN

RSYNC = "rsync"
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9]+)?")
# rsync splits the remote shell's command at blanks.
WORD = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_/.,+@%:=-]*")
# Nobody is there to be asked; who is silent for a minute and a half is gone.
SSH_OPTIONS = ("-o", "BatchMode=yes", "-o", "ServerAliveInterval=30")
RECEIVED = re.compile(r"Total bytes received: ([0-9.,]+)")
# How it says that the connection ended (rsync's io.c and log.c).
ENDED = re.compile(r"rsync error:|rsync: .*(connection unexpectedly closed|Broken pipe)")
# Reflinks begin where a block of the file system does.
ALIGNED = 1024 * 1024
# Where a file is put together that is then given its name at once. (_names knows it as a part of that.)
BESIDE = "{}/.{}.begun"


class NoWay(Exception):
    """rsync cannot bring it; says why."""


@dataclass(frozen=True)
class Way:
    """How rsync reaches a hypervisor's files: *host* as it writes hosts, *shell* the command of the remote shell."""

    host: str
    shell: tuple[str, ...]

    def command(self, *arguments: str, path: str) -> list[str]:
        """The rsync that has *path* of the host as its source. No shell reads the path there."""
        return [RSYNC, "--protect-args", f"--rsh={' '.join(self.shell)}", *arguments, "--", f"{self.host}:{path}"]


def way_along(uri: str) -> Way:
    """The way that the ssh of a libvirt URI leads. Host keys are checked, whatever that says."""
    parts = urlsplit(uri)
    if "ssh" not in parts.scheme or not parts.hostname:
        raise NoWay(f"{uri} does not lead through ssh to another machine")
    options = parse_qs(parts.query)
    words = [options.get("command", ["ssh"])[0], *SSH_OPTIONS]
    words += ["-p", str(parts.port)] if parts.port else []
    words += ["-i", options["keyfile"][0]] if "keyfile" in options else []
    user, host = unquote(parts.username or ""), unquote(parts.hostname)
    if not HOST.fullmatch(host) or (user and not USER.fullmatch(user)):
        raise NoWay(f"{uri} names a user or a host that rsync cannot be told")
    if not all(WORD.fullmatch(word) for word in words if word not in SSH_OPTIONS and word not in ("-p", "-i")):
        raise NoWay(f"{uri} names a command or a key file that rsync cannot be told")
    host = f"[{host}]" if ":" in host else host
    return Way(f"{user}@{host}" if user else host, tuple(words))


def way_to(pool: Pool, uri: str, path: str, execute: Execute) -> Way:
    """The way from the hypervisor at *uri* into *pool*, tried on the file *path* there; NoWay where there is none."""
    way = way_along(uri)
    if not pool.hypervisor.local or pool.type not in DIRECTORIES:
        raise NoWay("the task does not run on the hypervisor that it comes to")
    if not os.access(pool.path, os.W_OK | os.X_OK):
        raise NoWay(f"the user may not write to {pool.path}")
    for program in (RSYNC, way.shell[0]):
        if not shutil.which(program):
            raise NoWay(f"{program} is not installed where the task runs")
    status, _said, error = execute(way.command("--list-only", path=path))
    if status:
        raise NoWay(f"rsync does not get through: {words(error) or f'exit status {status}'}")
    return way


def words(error: str) -> str:
    """What rsync and its ssh said, on one line, but for how rsync says that a connection ended: that depends on which
    of the two found out first, and why it ended is said before."""
    lines = [line for line in error.splitlines() if not ENDED.match(line)]
    return " ".join(" ".join(lines or error.splitlines()).split())


@dataclass(frozen=True)
class Delta:
    """The far file *source*, which has *size* bytes, is to become the file *target* here. *basis* has much of it."""

    source: str
    target: str
    basis: str
    size: int


def bring(way: Way, wanted: Delta, execute: Execute) -> int:
    """Make the file; returns how many bytes came over the network."""
    doing = f"bringing {os.path.basename(wanted.target)} from {way.host} by rsync"
    with file_errors(doing):
        gather(wanted)
    options = ("--ignore-times", "--sparse", "--partial", "--stats")
    status, said, error = execute([*way.command(*options, path=wanted.source), wanted.target])
    if status:
        advice = "Run it again: what was received stays, and it goes on from there."
        raise GoldenError(doing, words(error) or f"exit status {status}", advice)
    found = RECEIVED.search(said)
    return int(re.sub("[.,]", "", found.group(1))) if found else 0


def unfinished(target: str) -> list[str]:
    """The files that rsyncs which were killed had received *target* into, the one that came furthest last."""
    directory, name = os.path.split(target)
    return sorted(glob.glob(os.path.join(glob.escape(directory), f".{glob.escape(name)}.??????")), key=os.path.getsize)


def gather(wanted: Delta) -> None:
    """Put at the target all that is known of it: what earlier runs received, and then the basis.

    It is put together beside it. A file that is there already is never written to: it may have other names.
    """
    left, beside = unfinished(wanted.target), BESIDE.format(*os.path.split(wanted.target))
    there = [*filter(os.path.exists, [wanted.target]), *left]
    received = [path for path in there[-1:] if os.path.getsize(path) <= wanted.size]  # else more than was received
    with suppress(FileNotFoundError):
        os.unlink(beside)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for path in (*received, wanted.basis):
            append(path, descriptor)
        os.fchmod(descriptor, int(FROZEN, 8))  # which rsync leaves so
        os.replace(beside, wanted.target)
    except BaseException:
        os.unlink(beside)
        raise
    finally:
        os.close(descriptor)
    for path in left:
        os.unlink(path)


def append(path: str, target: int) -> None:
    """Add what the file *path* has, holes as holes, to the file open as *target*."""
    end = -(-os.fstat(target).st_size // ALIGNED) * ALIGNED
    with closing(LocalFile(path)) as source:
        for start, length in source.data():
            add(source.descriptor, target, start, length, end)
        os.ftruncate(target, end + source.size)


def add(source: int, target: int, start: int, length: int, moved: int) -> None:
    """Copy *length* bytes at *start* of one file to *moved* bytes further on in the other; shared where they can be."""
    end = start + length
    while start < end:
        try:
            done = os.copy_file_range(source, target, end - start, start, start + moved)
        except OSError:  # not between such files
            done = os.pwrite(target, os.pread(source, min(end - start, BLOCK), start), start + moved)
        if not done:
            return
        start += done
