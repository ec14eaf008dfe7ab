# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More hypervisors on this machine: libvirt of other Debian suites, and a second daemon of the machine's own.

    with stack("trixie") as uri:
        libvirt.open(uri)

Each runs in namespaces of its own (mounts, processes, network, IPC), with no domains, no KVM and all its state in
memory, and is gone with the process that started it. The SHARED directories are the same inside and outside.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator

HOST = "host"
CACHE = pathlib.Path(os.environ.get("GOLDEN_CACHE") or "/var/cache/golden-libvirt")
SHARED = ("/tmp", "/var/tmp", str(CACHE))
SCRIPT = pathlib.Path(__file__).with_name("stack.sh")
PACKAGES = "libvirt-daemon-system,qemu-system-x86,qemu-system-modules-spice,qemu-utils,ovmf,swtpm,swtpm-tools"
START_SECONDS = 30
END_SECONDS = 30


@contextlib.contextmanager
def stack(suite: str = HOST) -> Iterator[str]:
    """The URI of a new hypervisor: of a Debian *suite*, or the machine's own libvirt and QEMU once more. For root."""
    base = "/" if suite == HOST else str(chroot(suite))
    CACHE.mkdir(parents=True, exist_ok=True)
    state = pathlib.Path(tempfile.mkdtemp(prefix=f"golden-{suite}-"))
    state.chmod(0o711)
    # The script lives as long as its standard input is open, and everything in its namespaces as long as it.
    init = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--net", "--ipc", "--fork", "--kill-child", SCRIPT, base, state, *SHARED],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if init.stdout.readline() != "ready\n":
            log = state / "log"
            raise RuntimeError(f"libvirt of {suite} did not start: {log.read_text() if log.exists() else 'see above'}")
        yield f"qemu+unix:///system?socket={state}/libvirt-sock"
    finally:
        init.stdin.close()
        try:
            init.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            init.kill()
            init.wait()
        init.stdout.close()
        shutil.rmtree(state)


def chroot(suite: str) -> pathlib.Path:
    """The directory of a minimal Debian *suite* with libvirt and QEMU; made by the first who asks."""
    path = CACHE / "stacks" / suite
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={PACKAGES}", "--format=directory"]
    command += ["--aptopt=APT::Install-Recommends false", "--dpkgopt=path-exclude=/usr/share/doc/*"]
    # A mirror may be a copy of some day: its signatures count, their age does not.
    command += ["--aptopt=Acquire::Check-Valid-Until false", suite]
    recipe = path / "etc" / "made-by"
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not recipe.exists() or recipe.read_text() != " ".join(command):
            part = path.with_suffix(".part")
            for old in (path, part):
                shutil.rmtree(old, ignore_errors=True)
            subprocess.run([*command, str(part), mirror()], check=True)
            (part / "etc" / "made-by").write_text(" ".join(command))
            part.rename(path)
    return path


def mirror() -> str:
    """The address that this Debian machine's apt gets its own suite from."""
    own = subprocess.run(
        ["sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME"], check=True, capture_output=True, text=True
    ).stdout.strip()
    targets = subprocess.run(
        ["apt-get", "indextargets", "--no-release-info", "--format", "$(RELEASE) $(REPO_URI)", "Identifier: Packages"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = dict(line.split() for line in targets.splitlines())
    return found[own]
