# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long reverting a clone to its version takes, beside a bare libvirt-python loop and virsh snapshot-revert.

    PYTHONPATH=<where ansible_collections is> python3 benchmarks/revert.py [--uri URI] [MIB …]

The numbers are what the clone has written since. The loop does what the module does and checks nothing: power off, new
overlay, define, start, old overlay away. virsh goes back to an internal snapshot without memory. Needs ansible-core,
libvirt-python, lxml and qemu-io. Makes a pool of its own below --directory and removes all that it made.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time
import uuid

import libvirt

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "integration"))
from support import versions
from support.lab import MIB, Lab

INACTIVE = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
OVERLAY = """<volume><name>{name}</name><capacity>{size}</capacity><allocation>0</allocation>
<target><format type='qcow2'/><permissions><mode>0640</mode></permissions><compat>1.1</compat></target>
<backingStore><path>{backing}</path><format type='qcow2'/></backingStore></volume>"""


def bare(lab: Lab, name: str) -> None:
    """The least code that brings a clone back."""
    conn = libvirt.open(lab.uri)
    pool, domain = conn.storagePoolLookupByName(lab.pool), conn.lookupByName(name)
    old = conn.storageVolLookupByPath(lab.disk_path(name))
    overlay = OVERLAY.format(
        name=f"{name}.{uuid.uuid4().hex[:8]}.qcow2", size=old.info()[1], backing=lab.file("golden.web.1.vda.qcow2")
    )
    new = pool.createXML(overlay)
    runs = domain.isActive()
    if runs:
        domain.destroy()
    conn.defineXML(domain.XMLDesc(INACTIVE).replace(old.path(), new.path()))
    if runs:
        domain.create()
    old.delete()
    conn.close()


def virsh(lab: Lab, name: str) -> None:
    how = ["--running", "--force"] if lab.domain(name).isActive() else []
    command = ["virsh", "--connect", lab.uri, "snapshot-revert", name, "before", *how]
    subprocess.run(command, check=True, capture_output=True)


def module(lab: Lab, name: str) -> None:
    """The module as Ansible runs it, its start included."""
    result = lab.run("revert", {"domains": [name], "to": "version", "image_pool": lab.pool})
    if result.get("failed"):
        raise SystemExit(result["msg"])


WAYS = {"bare": bare, "module": module, "virsh": virsh}


def clones(lab: Lab, mib: int) -> dict[str, str]:
    """A clone, off, for each way, of a disk with room for *mib*; its name."""
    names = {way: f"{lab.prefix}-{way}-{mib}" for way in WAYS}
    asked = {"image": "web", "version": "1", "image_pool": lab.pool, "names": list(names.values())}
    result = lab.run("clone", asked)
    if result.get("failed"):
        raise SystemExit(result["msg"])
    for name in names.values():
        lab.conn.storageVolLookupByPath(lab.disk_path(name)).resize((mib + 16) * MIB)
    lab.domain(names["virsh"]).snapshotCreateXML("<domainsnapshot><name>before</name></domainsnapshot>")
    return names


def seconds(lab: Lab, way: str, name: str, mib: int, state: str) -> float:
    """How long one revert takes, after the clone has written *mib*."""
    domain = lab.domain(name)
    if domain.isActive():
        domain.destroy()
    if mib:
        lab.write(lab.disk_path(name), os.urandom(MIB) * mib)
    if state == "running":
        domain.create()
    started = time.monotonic()
    WAYS[way](lab, name)
    return time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", default="qemu:///system")
    parser.add_argument("--directory", default="/var/tmp", type=pathlib.Path)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("sizes", nargs="*", type=int, default=[0, 256])
    options = parser.parse_args()
    lab = Lab(options.uri, f"t-bench-{uuid.uuid4().hex[:4]}", options.directory / f"t-bench-{uuid.uuid4().hex[:8]}")
    try:
        versions.add(lab, "web", "1")
        print(f"{'state':>8} {'MiB':>5} {'bare loop':>10} {'module':>10} {'more':>10} {'virsh':>10}")
        for mib in options.sizes:
            names = clones(lab, mib)
            for state in ("shutoff", "running"):
                rounds = [
                    {way: seconds(lab, way, name, mib, state) for way, name in names.items()}
                    for _round in range(options.rounds)
                ]
                took = {way: statistics.median(one[way] for one in rounds) for way in WAYS}
                more = statistics.median(one["module"] - one["bare"] for one in rounds)
                print(
                    f"{state:>8} {mib:5} {took['bare']:8.2f} s {took['module']:8.2f} s {more:8.2f} s"
                    f" {took['virsh']:8.2f} s",
                    flush=True,
                )
    finally:
        lab.close()


if __name__ == "__main__":
    main()
