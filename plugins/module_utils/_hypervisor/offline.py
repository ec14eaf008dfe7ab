# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Telling a guest that is off who it is, by writing it into its disks: virt-customize does, in libguestfs' machine."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor

PROGRAM = "virt-customize"
GET_IT = f"{PROGRAM} is not there: install guestfs-tools, and on Debian a kernel (linux-image-cloud-amd64)"
NOT_HERE = "libguestfs writes to files of the machine that the task runs on: run it on the hypervisor itself"
LAUNCH = (
    "libguestfs could not start its machine: it needs a kernel in /boot that it may read and, where KVM does not work, "
    "LIBGUESTFS_BACKEND_SETTINGS=force_tcg in the task's environment. libguestfs-test-tool tells more."
)
Execute = Callable[[list[str]], tuple[int, str, str]]


def hindrance(hypervisor: Hypervisor) -> str:
    """Why it cannot be done here, in words; empty where it can."""
    if not hypervisor.local:
        return NOT_HERE
    return "" if shutil.which(PROGRAM) else GET_IT


def environment(emulated: bool) -> list[str]:
    """What libguestfs is told, as far as the task's environment says nothing: no libvirt of its own, and no KVM for a
    machine that has none."""
    said = {"LIBGUESTFS_BACKEND": "direct", **({"LIBGUESTFS_BACKEND_SETTINGS": "force_tcg"} if emulated else {})}
    return [f"{name}={value}" for name, value in said.items() if name not in os.environ]


def customise(
    hypervisor: Hypervisor, uuid: str, hostname: str, ssh_keys: Sequence[str], *, emulated: bool, execute: Execute
) -> None:
    """Set the host name of the domain with this *uuid*, which must be off, and let root log in with *ssh_keys*.

    Of its disks, those that it only reads are left alone.
    """
    command = ["env", *environment(emulated), PROGRAM, "--connect", hypervisor.uri, "--domain", uuid]
    command += ["--quiet", "--no-network", "--selinux-relabel", "--hostname", hostname]
    with tempfile.TemporaryDirectory(prefix="golden-") as private:
        if ssh_keys:
            file = os.path.join(private, "keys")
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as keys:
                keys.writelines(f"{key.strip()}\n" for key in ssh_keys)
            command += ["--ssh-inject", f"root:file:{file}"]
        status, _said, error = execute(command)
    if status:
        advice = LAUNCH if "guestfs_launch" in error else "Look at what it says; 'via' has other ways."
        reason = error.strip()[-600:] or f"{PROGRAM} ended with status {status}"
        raise GoldenError(f"telling the guest {hostname} its name offline", reason, advice)
