# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An ordinary user's libvirt session on this machine, as GNOME Boxes uses it.

with session(home) as uri:       # qemu+unix:///session?socket=…
    libvirt.open(uri)
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import time
from collections.abc import Iterator

USER = 65534
START_SECONDS = 20


@contextlib.contextmanager
def session(home: pathlib.Path) -> Iterator[str]:
    """The URI of the session of the user nobody, whose home directory is *home* (made here). For root."""
    runtime = home / "run"
    for directory in (home, runtime):
        directory.mkdir(mode=0o711)
        os.chown(directory, USER, USER)
    command = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "libvirtd"]
    environment = {"HOME": str(home), "XDG_RUNTIME_DIR": str(runtime), "PATH": os.environ["PATH"]}
    with open(home / "libvirtd.log", "w") as log:
        daemon = subprocess.Popen(command, env=environment, cwd=home, stdout=log, stderr=log)
    socket = runtime / "libvirt" / "libvirt-sock"
    try:
        end = time.monotonic() + START_SECONDS
        while not socket.exists():
            if daemon.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the session did not start: {(home / 'libvirtd.log').read_text()}")
            time.sleep(0.1)
        yield f"qemu+unix:///session?socket={socket}"
    finally:
        daemon.terminate()
        daemon.wait()
