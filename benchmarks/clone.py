# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long clones take, beside a bare libvirt-python loop that makes the same volumes and domains, and virt-clone.

    PYTHONPATH=<where ansible_collections is> python3 benchmarks/clone.py [--uri URI] [NUMBER …]

Needs ansible-core, libvirt-python and lxml. virt-clone, which copies its source's disk of 16 MiB and makes one clone
per call, is left out where it is not installed and above --virt-clone clones. Makes a pool of its own below --directory
and removes all that it made.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import statistics
import subprocess
import sys
import time
import uuid

import libvirt

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "integration"))
from support import versions
from support.lab import Lab

VOLUME = """<volume><name>{name}</name><capacity>16777216</capacity><allocation>0</allocation>
<target><format type='qcow2'/><permissions><mode>0640</mode></permissions><compat>1.1</compat></target>
<backingStore><path>{backing}</path><format type='qcow2'/></backingStore></volume>"""


def bare(lab: Lab, template: str, names: list[str]) -> float:
    """Seconds that the least code takes: one overlay and one definition each, on one thread."""
    started = time.monotonic()
    conn = libvirt.open(lab.uri)
    pool = conn.storagePoolLookupByName(lab.pool)
    for name in names:
        volume = pool.createXML(VOLUME.format(name=f"{name}.vda.qcow2", backing=lab.file("golden.web.1.vda.qcow2")), 0)
        xml = template.replace("golden-template", name).replace("<memory", f"<uuid>{uuid.uuid4()}</uuid><memory")
        conn.defineXML(
            xml.replace(
                '<driver name="qemu" type="qcow2" />',
                f"<driver name='qemu' type='qcow2'/><source file='{volume.path()}'/>",
            )
        )
    conn.close()
    return time.monotonic() - started


def virt_clone(lab: Lab, source: str, names: list[str]) -> float:
    """Seconds that virt-clone takes, called once for each clone."""
    started = time.monotonic()
    for name in names:
        file = lab.file(f"{name}.vda.qcow2")
        command = ["virt-clone", "--quiet", "--connect", lab.uri, "--original", source, "--name", name, "--file", file]
        subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - started


def module(lab: Lab, names: list[str], **options: object) -> float:
    """Seconds that the module takes, its start included, as Ansible runs it."""
    started = time.monotonic()
    args = {"image": "web", "version": "1", "image_pool": lab.pool, "names": names, **options}
    result = lab.run("clone", args)
    if result.get("failed"):
        raise SystemExit(result["msg"])
    return time.monotonic() - started


def clear(lab: Lab, names: list[str]) -> None:
    lab.refresh()
    pool = lab.conn.storagePoolLookupByName(lab.pool)
    for name in names:
        lab.domain(name).undefine()
        pool.storageVolLookupByName(f"{name}.vda.qcow2").delete()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", default="qemu:///system")
    parser.add_argument("--directory", default="/var/tmp", type=pathlib.Path)
    parser.add_argument("--rounds", default=3, type=int)
    parser.add_argument("--virt-clone", default=100, type=int, metavar="CLONES")
    parser.add_argument("numbers", nargs="*", type=int, default=[10, 100])
    options = parser.parse_args()
    lab = Lab(options.uri, f"t-bench-{uuid.uuid4().hex[:4]}", options.directory / f"t-bench-{uuid.uuid4().hex[:8]}")
    try:
        template = versions.add(lab, "web", "1").template
        source = lab.machine("source", macs=[None])
        heads = f"{'clones':>6} {'bare loop':>12} {'module':>12} {'ratio':>6} {'ms each':>8} {'absent':>10}"
        print(f"{heads} {'virt-clone':>12}")
        for number in options.numbers:
            names = [f"{lab.prefix}-{count:04d}" for count in range(number)]
            loops, modules, removals = [], [], []
            for _round in range(options.rounds):
                loops.append(bare(lab, template, names))
                clear(lab, names)
                modules.append(module(lab, names))
                removals.append(module(lab, names, state="absent", image=None, version=None))
            loop, took, gone = (statistics.median(times) for times in (loops, modules, removals))
            peer = "-"
            if shutil.which("virt-clone") and number <= options.virt_clone:
                peer = f"{virt_clone(lab, source, names):.2f} s"
                clear(lab, names)
            print(
                f"{number:6} {loop:10.2f} s {took:10.2f} s {took / loop:6.2f} {took / number * 1000:8.1f}"
                f" {gone:8.2f} s {peer:>12}"
            )
    finally:
        lab.close()


if __name__ == "__main__":
    main()
