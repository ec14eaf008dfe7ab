# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no two domains can share and no rule makes distinct: found, all at once, before a clone is made; and kept or
left out where a user says so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils._xml import chardevs
from ansible_collections.golden.libvirt.plugins.module_utils._xml.identity import credentials_within
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import (
    Element,
    attribute,
    need,
    parse,
    remove,
    text_of,
)

# What arguments to a hypervisor's own program can fix; the words are those of QEMU.
FIXED = {
    "MAC address": re.compile(r"\b(?:[0-9a-f]{2}:){5}[0-9a-f]{2}\b", re.IGNORECASE),
    "vsock address": re.compile(r"\bguest-cid\"?[=:]\s*\d+"),
    "identity": re.compile(r"\b(?:serial|wwn|uuid)(?:=|\":\s*\")(?!on\b|off\b)[^,\"]+|^-uuid$"),
    "port of the host": re.compile(
        r"\b(?:hostfwd|listen)=[^,]*|^(?:tls-)?port=\d+|^-(?:s|gdb|vnc)$"
        r"|\b(?:port=\d+|(?:tcp|telnet|websocket):[^,]+)(?=.*,server\b(?!=off))"
    ),
    "socket": re.compile(r"(?:\bpath=|unix:)/[^,]+(?=.*,server\b(?!=off))"),
}
TPM_FRESH = "its TPM starts empty: what the source sealed with its own (disk keys, certificates) is not there"
TPM_COPIED = (
    "its TPM is a copy, with the source's endorsement key and all its secrets: who knows machines by their TPM cannot "
    "tell the two apart"
)
SHARED_NAMES = re.compile(r"(?:^|[=:,])/")


@dataclass(frozen=True)
class Obstacle:
    """One thing that two domains would fight for; *words* name it, *drop* takes it out of the tree."""

    kind: str
    words: str
    drop: Callable[[], None]


@dataclass(frozen=True)
class Settled:
    """A domain's *xml* after a user's choices: what is still *refused*, and *notes* on what was kept or left out."""

    xml: str
    refused: tuple[str, ...]
    notes: tuple[str, ...]


def settled(xml: str, choices: Mapping[str, str]) -> Settled:
    """*choices* say of each kind (of FINDERS) whether it is refused (the default), kept (``keep``) or left out
    (``drop``)."""
    root = parse(xml)
    refused, notes = [], []
    for obstacle in list(obstacles(root)):
        choice = choices.get(obstacle.kind, "refuse")
        if choice == "drop":
            obstacle.drop()
            notes.append(f"left out of the clones: {obstacle.words}")
        elif choice == "keep":
            notes.append(f"the same in all clones, which cannot all use it at once: {obstacle.words}")
        else:
            refused.append(f"{obstacle.words} (sharing: {obstacle.kind})")
    mend_teams(root)
    return Settled(text_of(root), tuple(dict.fromkeys(refused)), tuple(dict.fromkeys(notes)))


def obstacles_of(xml: str) -> tuple[str, ...]:
    """Why two domains made from *xml* would fight for something, in words, in the order of the XML's sections."""
    return tuple(dict.fromkeys(obstacle.words for obstacle in obstacles(parse(xml))))


def notes_of(xml: str, *, tpm_copied: bool = False) -> tuple[str, ...]:
    """What a user should know of clones of *xml*, in words."""
    root = parse(xml)
    notes = []
    if root.find("devices/tpm/backend[@type='emulator']") is not None:
        notes.append(TPM_COPIED if tpm_copied else TPM_FRESH)
    if any(SHARED_NAMES.search(value) for value in argument_values(root)):
        notes.append(
            "its QEMU arguments (qemu:commandline) are kept as they are: clones must not fight for what they name"
        )
    if root.find("devices/disk/serial") is not None or root.find("devices/disk/wwn") is not None:
        notes.append("its disks' serial numbers are new: names under /dev/disk/by-id in the guest change with them")
    told = credentials_within(root)
    if told:
        notes.append(
            f"its guest is handed {', '.join(dict.fromkeys(told))} by its definition: all clones get the same, which "
            "who may list domains can read"
        )
    return tuple(notes)


def obstacles(root: Element) -> Iterator[Obstacle]:
    """All that two domains like *root* would fight for."""
    for kind, find in FINDERS.items():
        for words, drop in find(root):
            yield Obstacle(kind, words, drop)


Found = Iterator[tuple[str, Callable[[], None]]]


def without(element: Element) -> Callable[[], None]:
    """What takes *element* out of its tree; twice is once."""

    def drop() -> None:
        parent = element.getparent()
        if parent is not None:
            parent.remove(element)

    return drop


def firmware(root: Element) -> Found:
    loader = root.find("os/loader")
    if loader is not None and loader.get("readonly") == "no" and loader.get("type") == "pflash":
        yield f"its firmware {loader.text} is writable and would be shared", lambda: loader.set("readonly", "yes")
    nvram = root.find("os/nvram")
    if nvram is not None and nvram.get("type", "file") != "file":

        def own_file() -> None:
            remove(nvram, "source")
            del nvram.attrib["type"]

        yield f"its UEFI variables are on a {nvram.get('type')} device", own_file


def labels(root: Element) -> Found:
    for label in root.findall("seclabel[@type='static']"):
        # A user and group (model dac) may own many domains; a process label keeps domains apart.
        if label.get("model") != "dac":
            yield (
                f"its {label.get('model', '')} security label {label.findtext('label')} is static",
                without(label),
            )


def host_devices(root: Element) -> Found:
    for device in root.findall("devices/hostdev"):
        words = f"it has a host device ({device.get('mode')} {device.get('type', '')})".replace(" )", ")")
        yield words, without(device)


def filesystems(root: Element) -> Found:
    for filesystem in root.findall("devices/filesystem"):
        socket = attribute(filesystem, "source", "socket")
        if filesystem.get("type") != "ram" and (filesystem.find("readonly") is None or socket):
            yield f"its file system {attribute(filesystem, 'target', 'dir')} is the host's", without(filesystem)


def memories(root: Element) -> Found:
    for memory in root.findall("devices/memory"):
        path = memory.findtext("source/path")
        if path:
            yield f"its memory device is the file {path}", without(memory)
    for shmem in root.findall("devices/shmem"):
        yield f"it shares the memory {shmem.get('name')}", without(shmem)


def leases(root: Element) -> Found:
    for lease in root.findall("devices/lease"):
        yield f"it holds the lease {lease.findtext('key')}", without(lease)


def tpms(root: Element) -> Found:
    for tpm in root.findall("devices/tpm"):
        kind = attribute(tpm, "backend", "type")
        if kind != "emulator":
            yield f"its TPM is the host's ({kind})", without(tpm)


def inputs(root: Element) -> Found:
    for given in root.findall("devices/input"):
        if given.get("type") in ("evdev", "passthrough"):
            path = attribute(given, "source", "dev") or attribute(given, "source", "evdev")
            yield f"it takes the host's input device {path}", without(given)


def disks(root: Element) -> Found:
    for disk in root.findall("devices/disk"):
        kind = disk.get("type")
        if kind in ("nvme", "vhostuser", "vhostvdpa") or disk.find("source/reservations/source") is not None:
            yield f"its disk {attribute(disk, 'target', 'dev')} is the host's ({kind})", without(disk)


def interfaces(root: Element) -> Found:
    for number, interface in enumerate(root.findall("devices/interface"), 1):
        kind = interface.get("type", "")
        name = f"its interface {number} ({kind})"
        exclusive = kind in ("hostdev", "vdpa", "vhostuser", "vds", "udp", "server")
        if exclusive or (kind == "direct" and attribute(interface, "source", "mode") == "passthrough"):
            yield f"{name} uses what only one domain can have", without(interface)
        if attribute(interface, "target", "managed") == "no":
            yield f"{name} uses the host's {attribute(interface, 'target', 'dev')}", without(interface)
        if interface.find("virtualport[@type='midonet']") is not None:
            yield f"{name} uses a MidoNet port", without(interface)
        for forward in interface.findall("portForward"):
            yield f"{name} forwards the host's ports", without(forward)
        for address in interface.findall("ip") if kind != "user" else []:
            yield f"{name} fixes the address {address.get('address')}", without(address)
        for parameter in interface.findall("filterref/parameter"):
            if parameter.get("name") in ("IP", "IPV6", "MAC"):
                yield f"{name} has a filter for the address {parameter.get('value')}", without(parameter)


def sockets(root: Element) -> Found:
    for device in chardevs.chardevs(root):
        drop = without(need(device, "..") if device.tag == "backend" else device)
        yield from ((words, drop) for words in socket_words(device))


def socket_words(device: Element) -> Iterator[str]:
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


def arguments(root: Element) -> Found:
    """Arguments hang together: all of them go, or none."""

    def drop() -> None:
        for element in root.findall("{*}commandline") + root.findall("{*}override"):
            root.remove(element)

    properties = root.findall("{*}override/{*}device/{*}frontend/{*}property")
    overrides = [f"{of.get('name')}={of.get('value')}" for of in properties]
    for place, values in (("qemu:commandline", argument_values(root)), ("qemu:override", overrides)):
        for value in values:
            for what, pattern in FIXED.items():
                for found in pattern.finditer(value):
                    yield f"its QEMU arguments ({place}) fix the {what} {found.group()}", drop


def argument_values(root: Element) -> list[str]:
    return [argument.get("value", "") for argument in root.findall("{*}commandline/{*}arg")]


def mend_teams(root: Element) -> None:
    """A failover pair of which one half was left out is none."""
    there = {attribute(interface, "alias", "name") for interface in root.findall("devices/interface")}
    for teaming in root.findall("devices/*/teaming[@type='transient']"):
        if teaming.get("persistent") not in there:
            without(teaming)()


# By the XML element that an obstacle is found in, which is how users name its kind.
FINDERS: Mapping[str, Callable[[Element], Found]] = {
    "firmware": firmware,
    "seclabel": labels,
    "hostdev": host_devices,
    "filesystem": filesystems,
    "memory": memories,
    "lease": leases,
    "tpm": tpms,
    "input": inputs,
    "disk": disks,
    "interface": interfaces,
    "chardev": sockets,
    "arguments": arguments,
}
