# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no two domains can share and no rule makes distinct: found, all at once, before a clone is made."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.golden.libvirt.plugins.module_utils._xml import chardevs
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import Element, attribute, parse

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
MAC = re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", re.IGNORECASE)
SHARED_NAMES = re.compile(r"hostfwd|(?:^|[=:,])/")


def obstacles_of(xml: str) -> tuple[str, ...]:
    """Why two domains made from *xml* would fight for something, in words, in the order of the XML's sections."""
    root = parse(xml)
    found = [*firmware(root), *labels(root), *devices(root), *interfaces(root), *sockets(root), *arguments(root)]
    return tuple(dict.fromkeys(found))


def notes_of(xml: str) -> tuple[str, ...]:
    """What a user should know of clones of *xml*, in words."""
    root = parse(xml)
    notes = []
    if root.find("devices/tpm/backend[@type='emulator']") is not None:
        notes.append("its TPM starts empty: what the source sealed with its own (disk keys, certificates) is not there")
    if any(SHARED_NAMES.search(value) for value in argument_values(root)):
        notes.append(
            "its QEMU arguments (qemu:commandline) are kept as they are: clones must not fight for what they name"
        )
    if root.find("devices/disk/serial") is not None or root.find("devices/disk/wwn") is not None:
        notes.append("its disks' serial numbers are new: names under /dev/disk/by-id in the guest change with them")
    return tuple(notes)


def firmware(root: Element) -> Iterator[str]:
    loader = root.find("os/loader")
    if loader is not None and loader.get("readonly") == "no" and loader.get("type") == "pflash":
        yield f"its firmware {loader.text} is writable and would be shared"
    nvram = root.find("os/nvram")
    if nvram is not None and nvram.get("type", "file") != "file":
        yield f"its UEFI variables are on a {nvram.get('type')} device"


def labels(root: Element) -> Iterator[str]:
    for label in root.findall("seclabel[@type='static']"):
        # A user and group (model dac) may own many domains; a process label keeps domains apart.
        if label.get("model") != "dac":
            yield f"its {label.get('model', '')} security label {label.findtext('label')} is static"


def devices(root: Element) -> Iterator[str]:
    for device in root.findall("devices/hostdev"):
        yield f"it has a host device ({device.get('mode')} {device.get('type', '')})".replace(" )", ")")
    for filesystem in root.findall("devices/filesystem"):
        socket = attribute(filesystem, "source", "socket")
        if filesystem.get("type") != "ram" and (filesystem.find("readonly") is None or socket):
            yield f"its file system {attribute(filesystem, 'target', 'dir')} is the host's"
    for file in root.findall("devices/memory/source/path"):
        yield f"its memory device is the file {file.text}"
    for shmem in root.findall("devices/shmem"):
        yield f"it shares the memory {shmem.get('name')}"
    for lease in root.findall("devices/lease"):
        yield f"it holds the lease {lease.findtext('key')}"
    for backend in root.findall("devices/tpm/backend"):
        if backend.get("type") != "emulator":
            yield f"its TPM is the host's ({backend.get('type')})"
    for given in root.findall("devices/input"):
        if given.get("type") in ("evdev", "passthrough"):
            path = attribute(given, "source", "dev") or attribute(given, "source", "evdev")
            yield f"it takes the host's input device {path}"
    for disk in root.findall("devices/disk"):
        if (
            disk.get("type") in ("nvme", "vhostuser", "vhostvdpa")
            or disk.find("source/reservations/source") is not None
        ):
            yield f"its disk {attribute(disk, 'target', 'dev')} is the host's ({disk.get('type')})"


def interfaces(root: Element) -> Iterator[str]:
    for number, interface in enumerate(root.findall("devices/interface"), 1):
        kind = interface.get("type", "")
        name = f"its interface {number} ({kind})"
        if kind in ("hostdev", "vdpa", "vhostuser", "vds", "udp", "server"):
            yield f"{name} uses what only one domain can have"
        if attribute(interface, "target", "managed") == "no":
            yield f"{name} uses the host's {attribute(interface, 'target', 'dev')}"
        if interface.find("portForward") is not None:
            yield f"{name} forwards the host's ports"
        if interface.find("ip") is not None and kind != "user":
            yield f"{name} fixes the address {attribute(interface, 'ip', 'address')}"
        for parameter in interface.findall("filterref/parameter"):
            if parameter.get("name") in ("IP", "IPV6", "MAC"):
                yield f"{name} has a filter for the address {parameter.get('value')}"
        if interface.find("virtualport[@type='midonet']") is not None:
            yield f"{name} uses a MidoNet port"


def sockets(root: Element) -> Iterator[str]:
    for device in chardevs.chardevs(root):
        kind, path = device.get("type"), attribute(device, "source", "path")
        name = "its random number source" if device.tag == "backend" else f"its {device.tag!s}"
        if device.tag == "smartcard" and device.get("mode") == "host":
            yield f"{name} is the host's"
        elif kind == "dev":
            yield f"{name} is the host's {path}"
        elif kind == "nmdm":
            yield f"{name} is the null-modem {attribute(device, 'source', 'master')}"
        elif kind == "unix" and attribute(device, "source", "mode") == "connect":
            yield f"{name} connects to the socket {path}"
        elif kind in ("tcp", "udp"):
            for end in device.findall("source[@mode='bind']"):
                yield f"{name} listens on port {end.get('service')}"


def arguments(root: Element) -> Iterator[str]:
    for value in argument_values(root):
        for mac in MAC.findall(value):
            yield f"its QEMU arguments (qemu:commandline) fix the MAC address {mac}"


def argument_values(root: Element) -> list[str]:
    return [argument.get("value", "") for argument in root.findall(f"{QEMU}commandline/{QEMU}arg")]
