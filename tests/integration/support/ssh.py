# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's libvirt over ssh, as if it were far away.

    with remote() as uri:                       # qemu+ssh://root@127.0.0.1:40022/system?command=…
        subprocess.run([*far_away("/var/tmp"), "virsh", "-c", uri, "list"])

An sshd of its own, with keys of its own, on a loopback port; nothing is read from or written to ~/.ssh.
"""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

START_SECONDS = 10
# Runs a command that ends, with all that it started, when it is killed or the test dies.
CONTAINED = ("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
# Where libvirt's daemons are reached and keep their files.
LIBVIRT = ("/run/libvirt", "/var/lib/libvirt", "/etc/libvirt")
HIDE = 'while [ "$1" != -- ]; do mount -t tmpfs tmpfs "$1"; shift; done; shift; exec "$@"'

SSHD_CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey {path}/host
AuthorizedKeysFile {path}/user.pub
AuthenticationMethods publickey
PermitRootLogin prohibit-password
StrictModes no
UsePAM yes
PidFile none
MaxStartups 100
"""
SSH_CONFIG = """\
UserKnownHostsFile {path}/known_hosts
GlobalKnownHostsFile none
StrictHostKeyChecking yes
IdentityFile {path}/user
IdentitiesOnly yes
"""


def far_away(*directories: str | pathlib.Path) -> list[str]:
    """The start of a command that runs where this machine's libvirt and those directories are out of sight."""
    return ["unshare", "--mount", "sh", "-ec", HIDE, "sh", *LIBVIRT, *map(str, directories), "--"]


@contextlib.contextmanager
def remote() -> Iterator[str]:
    """A URI that leads to root's ``qemu:///system`` on this machine through ssh. For root."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="golden-ssh-"))
    port = free_port()
    write_files(path, port)
    # sshd wants this directory, which its init script makes.
    pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with open(path / "log", "w") as log:
        sshd = subprocess.Popen([*CONTAINED, "/usr/sbin/sshd", "-D", "-e", "-f", path / "sshd_config"], stderr=log)
    try:
        wait_for(port, sshd, path / "log")
        yield f"qemu+ssh://root@127.0.0.1:{port}/system?command={path}/ssh"
    finally:
        sshd.kill()
        sshd.wait()
        shutil.rmtree(path)


def write_files(path: pathlib.Path, port: int) -> None:
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", path / key], check=True)
    (path / "sshd_config").write_text(SSHD_CONFIG.format(path=path, port=port))
    (path / "ssh_config").write_text(SSH_CONFIG.format(path=path))
    (path / "known_hosts").write_text(f"[127.0.0.1]:{port} {(path / 'host.pub').read_text()}")
    client = path / "ssh"
    client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {path}/ssh_config "$@"\n')
    client.chmod(0o755)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(port: int, sshd: subprocess.Popen[bytes], log: pathlib.Path) -> None:
    end = time.monotonic() + START_SECONDS
    while sshd.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise RuntimeError(f"sshd did not start: {log.read_text()}")
