# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a module during which something else happens, at one of the things that it does.

python meanwhile.py promote.py freezing.add_name 2 'rm file'     # before its second call of that
"""

from __future__ import annotations

import importlib
import runpy
import subprocess
import sys

HYPERVISOR = "ansible_collections.golden.libvirt.plugins.module_utils._hypervisor"
module, step, number, command = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
sys.argv[1:] = []  # where Ansible looks for a file with arguments
where, _dot, name = step.rpartition(".")
file, _dot, member = where.partition(".")
place = importlib.import_module(f"{HYPERVISOR}.{file}")
place = getattr(place, member) if member else place
real, calls = getattr(place, name), []


def call(*args, **options):
    calls.append(name)
    if len(calls) == number:
        subprocess.run(command, shell=True, check=True, stdin=subprocess.DEVNULL)
    return real(*args, **options)


setattr(place, name, call)
runpy.run_path(module, run_name="__main__")
