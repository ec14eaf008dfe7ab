# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long promoting by copy takes, checksum included, beside a bare qemu-img convert of the same disk.

    PYTHONPATH=<where ansible_collections is> python3 benchmarks/promote.py [--uri URI] [MIB …]

Both end with the copy on the disk, not in the page cache, and take turns; the ratio is the median of each turn's. The
last column leaves out what it takes to promote a disk with nothing in it. The disks hold MIB of what cannot be
compressed: in a raw file (full), in a qcow2 file and its backing file (chain), or with as many holes (sparse). Needs
ansible-core, libvirt-python, lxml and qemu-img. Makes pools of its own below --directory and removes all that it made.
"""

from __future__ import annotations

import argparse
import itertools
import os
import pathlib
import statistics
import subprocess
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "integration"))
from support import tiny_guest
from support.lab import MIB, Lab, qemu_img


def source(lab: Lab, kind: str, mib: int) -> str:
    """A domain that is off, with *mib* of data that cannot be compressed in its disk."""
    raw = pathlib.Path(lab.file(f"{kind}.raw"))
    apart = 2 if kind == "sparse" else 1
    with raw.open("wb") as file:
        file.truncate(apart * mib * MIB)
        for block in range(mib):
            file.seek(apart * block * MIB)
            file.write(os.urandom(MIB))
    disk = tiny_guest.Disk("vda", str(raw), "raw")
    if kind == "chain":
        disk = tiny_guest.Disk("vda", chained(lab, raw, mib))
    lab.refresh()
    return lab.machine(f"{kind}-{mib}", disks=[disk])


def chained(lab: Lab, raw: pathlib.Path, mib: int) -> str:
    """The overlay of a qcow2 file, each with half of what *raw* holds, which goes."""
    half, base, top = lab.file("half.raw"), lab.file("base.qcow2"), lab.file("top.qcow2")
    qemu_img("dd", "-f", "raw", "-O", "raw", f"if={raw}", f"of={half}", "bs=1M", f"count={mib // 2}")
    qemu_img("resize", "-q", "-f", "raw", half, f"{mib}M")
    for path in (base, top):
        pathlib.Path(path).unlink(missing_ok=True)
    qemu_img("convert", "-f", "raw", "-O", "qcow2", "-o", "compat=1.1", half, base)
    qemu_img("convert", "-f", "raw", "-O", "qcow2", "-o", "compat=1.1", "-B", base, "-F", "qcow2", str(raw), top)
    for path in (half, str(raw)):
        pathlib.Path(path).unlink()
    return top


def bare(lab: Lab, domain: str) -> float:
    """Seconds that the copy alone takes."""
    copy = pathlib.Path(lab.file("bare.qcow2"))
    started = time.monotonic()
    form = "raw" if lab.disk_path(domain).endswith(".raw") else "qcow2"
    qemu_img("convert", "-f", form, "-O", "qcow2", lab.disk_path(domain), str(copy))
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    took = time.monotonic() - started
    copy.unlink()
    return took


def module(lab: Lab, images: str, domain: str, **options: object) -> float:
    """Seconds that the module takes, its start included, as Ansible runs it."""
    args = {"domain": domain, "image": "bench", "image_pool": images, "sealed": False, **options}
    started = time.monotonic()
    result = lab.run("promote", args)
    if result.get("failed"):
        raise SystemExit(result["msg"])
    return time.monotonic() - started


def clear(lab: Lab, images: str) -> None:
    pool = lab.conn.storagePoolLookupByName(images)
    for name in pool.listVolumes():
        pool.storageVolLookupByName(name).delete()
    subprocess.run(["sync"], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", default="qemu:///system")
    parser.add_argument("--directory", default="/var/tmp", type=pathlib.Path)
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--kinds", default="full,chain,sparse")
    parser.add_argument("sizes", nargs="*", type=int, default=[512, 2048])
    options = parser.parse_args()
    lab = Lab(options.uri, f"t-bench-{uuid.uuid4().hex[:4]}", options.directory / f"t-bench-{uuid.uuid4().hex[:8]}")
    try:
        images = lab.add_pool("images")
        empty = lab.machine("empty")
        print(f"{'disk':>6} {'MiB':>6} {'qemu-img convert':>18} {'promote':>10} {'ratio':>6} {'without start':>14}")
        for mib, kind in itertools.product(options.sizes, options.kinds.split(",")):
            domain = source(lab, kind, mib)
            turns = [turn(lab, images, domain, empty) for _round in range(options.rounds)]
            clear(lab, images)
            os.unlink(lab.disk_path(domain))
            convert, promote, _start = (statistics.median(times) for times in zip(*turns))
            ratio = statistics.median(promote / convert for convert, promote, _start in turns)
            copying = statistics.median((promote - start) / convert for convert, promote, start in turns)
            took = f"{convert:16.2f} s {promote:8.2f} s {ratio:6.2f} {copying:14.2f}"
            print(f"{kind:>6} {mib:6} {took}", flush=True)
    finally:
        lab.close()


def turn(lab: Lab, images: str, domain: str, empty: str) -> tuple[float, float, float]:
    """Seconds of the copy alone, of promoting that disk, and of promoting one with nothing in it."""
    clear(lab, images)
    convert = bare(lab, domain)
    subprocess.run(["sync"], check=True)
    return convert, module(lab, images, domain), module(lab, images, empty)


if __name__ == "__main__":
    main()
