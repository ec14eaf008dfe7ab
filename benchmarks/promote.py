# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long promoting by copy takes, checksum included, beside a bare qemu-img convert of the same disk.

    PYTHONPATH=<where ansible_collections is> python3 benchmarks/promote.py [--uri URI] [MIB …]

Both end with the copy on the disk, not in the page cache. Needs ansible-core, libvirt-python, lxml and qemu-img. Makes
pools of its own below --directory and removes all that it made.
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

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "integration"))
from support import tiny_guest
from support.lab import MIB, Lab, qemu_img


def source(lab: Lab, mib: int) -> str:
    """A domain that is off, with *mib* of data that cannot be compressed in a disk of twice the size."""
    raw = pathlib.Path(lab.file("random.raw"))
    with raw.open("wb") as file:
        for _block in range(mib):
            file.write(os.urandom(MIB))
        file.truncate(2 * mib * MIB)
    disk = lab.file(f"source-{mib}.qcow2")
    qemu_img("convert", "-f", "raw", "-O", "qcow2", "-o", "compat=1.1", str(raw), disk)
    raw.unlink()
    lab.refresh()
    return lab.machine(f"source-{mib}", disks=[tiny_guest.Disk("vda", disk)])


def bare(lab: Lab, domain: str) -> float:
    """Seconds that the copy alone takes."""
    copy = pathlib.Path(lab.file("bare.qcow2"))
    started = time.monotonic()
    qemu_img("convert", "-O", "qcow2", lab.disk_path(domain), str(copy))
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
    parser.add_argument("--rounds", default=3, type=int)
    parser.add_argument("sizes", nargs="*", type=int, default=[512, 2048])
    options = parser.parse_args()
    lab = Lab(options.uri, f"t-bench-{uuid.uuid4().hex[:4]}", options.directory / f"t-bench-{uuid.uuid4().hex[:8]}")
    try:
        images = lab.add_pool("images")
        print(f"{'MiB':>6} {'qemu-img convert':>18} {'promote':>10} {'ratio':>6}")
        for mib in options.sizes:
            domain = source(lab, mib)
            converts, promotes = [], []
            for _round in range(options.rounds):
                converts.append(bare(lab, domain))
                promotes.append(module(lab, images, domain))
                clear(lab, images)
            convert, promote = statistics.median(converts), statistics.median(promotes)
            print(f"{mib:6} {convert:16.2f} s {promote:8.2f} s {promote / convert:6.2f}")
    finally:
        lab.close()


if __name__ == "__main__":
    main()
