# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More hypervisors than one: what other tests rely on."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import time

from support.lab import Lab
from support.ssh import far_away
from support.stack import stack

HOLD = "import sys; from support.stack import stack\nwith stack() as uri: print(uri, flush=True); sys.stdin.read()"


def test_a_second_daemon_shares_the_files_but_not_the_domains(lab):
    name = lab.machine("a")
    with stack() as uri:
        second = Lab(uri, f"{lab.prefix}-second", lab.path)
        assert second.conn.listAllDomains(0) == []
        running = second.machine("b", state="running")
        assert pathlib.Path(second.disk_path(running)).exists()
        assert "domain type='kvm'" not in second.conn.getCapabilities()
        lab.refresh()
        volumes = lab.conn.storagePoolLookupByName(lab.pool).listVolumes()
        assert sorted(volumes) == sorted([f"{name}.vda.qcow2", f"{running}.vda.qcow2"])
        second.conn.close()


def test_a_stack_ends_with_the_process_that_started_it():
    support = pathlib.Path(__file__).parent
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=support, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    state = holder.stdout.readline().strip().rpartition("=")[2].removesuffix("/libvirt-sock")
    assert processes(state)
    holder.kill()
    holder.communicate()
    end = time.monotonic() + 10
    while processes(state) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes(state) == []
    assert state not in pathlib.Path("/proc/mounts").read_text()
    shutil.rmtree(state)


def processes(word: str) -> list[str]:
    """The living processes whose command line or root directory has *word*."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().decode() + os.readlink(entry / "root")
        except OSError:
            continue
        if word in line:
            found.append(f"{entry.name} {line}")
    return found


def test_a_far_away_client_has_only_the_connection(lab, ssh_uri):
    name = lab.machine("a")
    command = f"ls {lab.path}; exec virsh -c '{ssh_uri}' domstate {name}"
    shown = subprocess.run([*far_away(lab.path), "sh", "-c", command], check=False, capture_output=True, text=True)
    assert shown.stdout.strip() == "shut off", shown
