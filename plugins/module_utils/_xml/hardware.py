# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a clone's machine may differ in from its version's: memory, processors, title, networks, the seed disk,
credentials."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._xml.identity import CREDENTIAL, SEED_ALIAS
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import (
    Element,
    attribute,
    etree,
    need,
    parse,
    remove,
    set_text,
    text_of,
)

# How disks are called in the guest's bus order, per bus.
PREFIXES = {"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd"}
IDE_PLACES = 4


def set_memory(root: Element, mebibytes: int) -> None:
    """Another amount of memory; refused where the XML lays the memory out in cells or modules."""
    if root.find("cpu/numa") is not None or root.find("devices/memory") is not None:
        raise Refused(
            "changing the memory of a clone",
            "the memory of its version is laid out in NUMA cells or modules",
            "Leave 'memory' out, or change the version's domain and promote it.",
        )
    for name in ("memory", "currentMemory"):
        remove(root, name)
        element = etree.Element(name, unit="MiB")
        element.text = str(mebibytes)
        need(root, "name").addnext(element)


def set_vcpus(root: Element, count: int) -> None:
    """Another number of processors, all of them there from the start; a topology that does not fit is dropped."""
    cpu = root.find("cpu")
    if cpu is not None and cpu.find("numa") is not None:
        raise Refused(
            "changing the processors of a clone",
            "the processors of its version are laid out in NUMA cells",
            "Leave 'vcpus' out, or change the version's domain and promote it.",
        )
    remove(root, "vcpus")
    set_text(root, "vcpu", str(count)).attrib.pop("current", None)
    topology = cpu.find("topology") if cpu is not None else None
    if cpu is not None and topology is not None and math.prod(int(number) for number in topology.values()) != count:
        cpu.remove(topology)


def set_title(root: Element, title: str) -> None:
    """The line that virt-manager shows instead of the name."""
    set_text(root, "title", title)


def set_networks(root: Element, networks: Sequence[str]) -> None:
    """Plug the interfaces, in their order, into these networks of libvirt."""
    interfaces = root.findall("devices/interface")
    if len(networks) > len(interfaces):
        raise Refused(
            "changing the networks of a clone",
            f"it has {len(interfaces)} interfaces, and {len(networks)} networks are named",
            "Name fewer, or change the version's domain and promote it.",
        )
    for interface, network in zip(interfaces, networks):
        interface.set("type", "network")
        remove(interface, "source", "virtualport", "ip", "route", "portForward", "backend")
        need(interface, "mac").addnext(etree.Element("source", network=network))


def set_credentials(root: Element, files: Mapping[str, str]) -> None:
    """Hand systemd's credentials in the guest the content of *files* ({name: path}), through QEMU's firmware device.

    Not as SMBIOS strings, which would have the values themselves here (systemd.io, "System and Service Credentials").
    """
    names = {CREDENTIAL + name for name in files}
    for table in root.findall("sysinfo[@type='fwcfg']"):
        for entry in table.findall("entry"):
            if entry.get("name") in names:  # the source's: QEMU does not start with two of a name
                table.remove(entry)
        if not len(table):
            root.remove(table)
    table = etree.Element("sysinfo", type="fwcfg")
    for name, path in files.items():
        etree.SubElement(table, "entry", name=CREDENTIAL + name, file=path)
    # Libxml2, and so libvirt's validation, takes such tables side by side only, and a boot loader beside the os only.
    others, boot = root.findall("sysinfo"), root.xpath("bootloader | bootloader_args | os")
    others[-1].addnext(table) if others else boot[0].addprevious(table)


def plain_disk(disk: Element) -> None:
    """Turn a passed-through LUN, which must be a block device, into a disk that may be a file."""
    disk.set("device", "disk")
    for name in ("rawio", "sgio"):
        disk.attrib.pop(name, None)
    remove(disk, "reservations")


def add_seed(root: Element, path: str) -> None:
    """Attach the seed image *path*, read-only, on the bus that the guest boots from: its driver is there for sure."""
    bus = seed_bus(root)
    disk = etree.SubElement(
        need(root, "devices"), "disk", type="file", device="cdrom" if bus in ("ide", "sata") else "disk"
    )
    etree.SubElement(disk, "driver", name="qemu", type="raw")
    etree.SubElement(disk, "source", file=path)
    etree.SubElement(disk, "target", dev=free_target(root, bus), bus=bus)
    etree.SubElement(disk, "readonly")
    etree.SubElement(disk, "alias", name=SEED_ALIAS)


@dataclass(frozen=True)
class SeedDisk:
    """The disk that a clone reads its seed from: its *xml*, and whether it *ejects* and then is *empty*."""

    xml: str
    ejects: bool
    empty: str


def seed_disk(xml: str) -> SeedDisk | None:
    """The seed's disk in a domain's definition."""
    for disk in parse(xml).findall("devices/disk"):
        if attribute(disk, "alias", "name") == SEED_ALIAS:
            text = text_of(disk)
            remove(disk, "source")
            return SeedDisk(text, disk.get("device") == "cdrom", text_of(disk))
    return None


def seed_bus(root: Element) -> str:
    disks = [disk for disk in root.findall("devices/disk") if disk.get("device", "disk") == "disk"]
    buses = [attribute(disk, "target", "bus") for disk in disks]
    bus: str = buses[0] if buses and buses[0] in PREFIXES else "virtio"
    if bus == "ide" and len(root.findall("devices/disk/target[@bus='ide']")) >= IDE_PLACES:
        return "sata"
    return bus


def free_target(root: Element, bus: str) -> str:
    """The first name of the bus's kind that no disk has: vda … vdz, vdaa …"""
    used = {target.get("dev") for target in root.findall("devices/disk/target")}
    letters = string.ascii_lowercase
    names: list[str] = [
        PREFIXES[bus] + name for name in [*letters, *(first + second for first in letters for second in letters)]
    ]
    return next(name for name in names if name not in used)
