# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module that is killed (SIGKILL) at one of the things that it does to pools.

python killed.py promote.py before 3     # before the third creation, copy, upload or deletion
python killed.py promote.py amid 3       # when half of it is written, or while libvirt copies
python killed.py promote.py never 0      # not at all; says on the standard error what those things are
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import freezing
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.volumes import Pool

COPYING_SECONDS = 0.3
module, when, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
sys.argv[1:] = []  # where Ansible looks for a file with arguments
seen: list[str] = []


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def half(blocks, length):
    done = 0
    for block in blocks:
        if done + len(block) > length // 2:
            yield block[: length // 2 - done]
            die()
        yield block
        done += len(block)


def wrapped(name: str):
    real = getattr(Pool, name)

    def call(self, *args):
        seen.append(name)
        if len(seen) == number and when == "before":
            die()
        if len(seen) == number and when == "amid" and name == "upload":
            real(self, args[0], args[1][: len(args[1].rstrip()) // 2])
            die()
        if len(seen) == number and when == "amid" and name == "fill":
            return real(self, args[0], half(args[1], args[2]), args[2])
        if len(seen) == number and when == "amid":
            threading.Timer(COPYING_SECONDS, die).start()
        return real(self, *args)

    return call


def counted(where, name: str, step: str):
    """Let *where*.*name* be one of the things that a run is killed before."""
    real = getattr(where, name)

    def call(*args, **options):
        seen.append(step)
        if len(seen) == number:
            die()
        return real(*args, **options)

    setattr(where, name, call)


for call in ("link", "rename", "unlink"):
    counted(os, call, call)
counted(freezing, "rebase", "rebase")
for method in ("create", "copy", "fill", "upload", "delete"):
    setattr(Pool, method, wrapped(method))
try:
    runpy.run_path(module, run_name="__main__")
finally:
    if when == "never":
        print(*seen, file=sys.stderr)
