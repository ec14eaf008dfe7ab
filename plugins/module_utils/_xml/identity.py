# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Identity: from a template's or another domain's XML to a clone's. What it cannot make distinct is in obstacles.py."""

from __future__ import annotations

import hashlib
import re

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._model import Identity
from ansible_collections.golden.libvirt.plugins.module_utils._xml import chardevs
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import (
    Element,
    attribute,
    etree,
    need,
    parse,
    remove,
    set_text,
)

# libvirt's aliases of a user's own begin so and, unlike its own, survive a definition.
SEED_ALIAS = "ua-golden-seed"
PORTS = ("port", "tlsPort", "websocket")
# Where systemd looks in QEMU's firmware configuration device, since version 251.
CREDENTIAL = "opt/io.systemd.credentials/"
WITHIN = re.compile(rf"(?:{re.escape(CREDENTIAL)}|\bio\.systemd\.credential(?:\.binary)?:)(?P<name>[^=,]+)")


def interface_count(xml: str) -> int:
    """How many MAC addresses a clone of *xml* needs."""
    return len(parse(xml).findall("devices/interface"))


def give_identity(root: Element, identity: Identity) -> None:
    """Make *root* (inactive XML) the domain *identity*, in place; what does not tell domains apart stays as it is.

    The written disks still point to the source's files afterwards: that is for the caller to change.
    """
    old = root.findtext("name", "")
    root.attrib.pop("id", None)
    set_text(root, "name", identity.name)
    set_text(root, "uuid", identity.uuid)
    for same in root.findall("hwuuid") + root.findall("devices/memory/uuid"):
        same.text = identity.uuid
    remove(root, "title")
    for generation in root.findall("genid"):
        generation.text = identity.genid
    firmware_variables(root, identity.nvram)
    sysinfo(root, identity.uuid)
    credentials(root)
    labels(root)
    for traffic in root.findall("resource/fibrechannel"):
        traffic.set("appid", identity.uuid)
    disks(root, identity.uuid)
    interfaces(root, identity.macs)
    graphics(root)
    for cid in root.findall("devices/vsock/cid"):
        cid.attrib.clear()
        cid.set("auto", "yes")
    for backend in root.findall("devices/tpm/backend[@type='emulator']"):
        remove(backend, "source")
    chardevs.give_paths(root, old, identity.name)


def firmware_variables(root: Element, path: str | None) -> None:
    """An NVRAM file of its own: *path*, or one that libvirt names and makes from its template at the first start."""
    system = root.find("os")
    if system is None:
        return
    for store in system.findall("varstore"):
        store.attrib.pop("path", None)
    nvram = system.find("nvram")
    if nvram is None and path:
        nvram = etree.SubElement(system, "nvram")
    if nvram is None:
        return
    remove(nvram, "source")
    nvram.attrib.pop("type", None)
    nvram.text = path
    if not path and not nvram.attrib:
        system.remove(nvram)


def sysinfo(root: Element, uuid: str) -> None:
    """The SMBIOS UUID, which libvirt wants equal to the domain's, and serial numbers.

    A system serial that begins with ``ds=`` tells cloud-init its data source: it is no serial number.
    """
    for entry in root.findall("sysinfo/system/entry[@name='uuid']"):
        entry.text = uuid
    for entry in root.findall("sysinfo[@type='smbios']//entry[@name='serial']"):
        if not (entry.text or "").startswith("ds="):
            entry.text = uuid


def credentials(root: Element) -> None:
    """No files with another machine's secrets."""
    for table in root.findall("sysinfo[@type='fwcfg']"):
        for entry in table.findall("entry[@file]"):
            if entry.get("name", "").startswith(CREDENTIAL):
                table.remove(entry)
        if not len(table):
            root.remove(table)


def credentials_within(root: Element) -> list[str]:
    """The names of systemd's credentials whose values are in the definition itself: in SMBIOS strings, in QEMU's
    firmware configuration device, or among arguments to QEMU."""
    found = [entry.get("name", "") for entry in root.findall("sysinfo[@type='fwcfg']/entry") if not entry.get("file")]
    found += [entry.text or "" for entry in root.findall("sysinfo/oemStrings/entry")]
    found += [argument.get("value", "") for argument in root.findall("{*}commandline/{*}arg")]
    return [name["name"] for name in map(WITHIN.search, found) if name]


def labels(root: Element) -> None:
    """Dynamic security labels are made at each start."""
    for label in root.findall("seclabel"):
        if label.get("type", "dynamic") == "dynamic":
            remove(label, "label", "imagelabel")


def disks(root: Element, uuid: str) -> None:
    """Own serial numbers and world-wide names, empty drives, no seed of another clone, no chain written down."""
    for disk in root.findall("devices/disk"):
        if attribute(disk, "alias", "name") == SEED_ALIAS:
            need(root, "devices").remove(disk)
            continue
        remove(disk, "mirror", "backingStore")
        if disk.get("device") in ("cdrom", "floppy"):
            remove(disk, "source")
            disk.set("type", "file")
    for serial in root.findall("devices/disk/serial") + root.findall("devices/controller/serial"):
        serial.text = digest(uuid, serial.text)[:20]
    for name in root.findall("devices/disk/wwn"):
        # Sixteen digits, with or without 0x. The first seven are the naming authority and the vendor.
        text = (name.text or "").strip()
        name.text = text[:-9] + digest(uuid, text)[:9]


def digest(uuid: str, old: str | None) -> str:
    """Hexadecimal digits that are this domain's own; what was equal within a domain stays equal."""
    return hashlib.sha256(f"{uuid}/{(old or '').strip()}".encode()).hexdigest()


def interfaces(root: Element, macs: tuple[str, ...]) -> None:
    """One of *macs* for each interface. The two halves of a failover pair share the persistent one's."""
    found = root.findall("devices/interface")
    if len(found) != len(macs):
        raise GoldenError(
            "giving a clone its identity", f"it has {len(found)} interfaces and was given {len(macs)} addresses"
        )
    by_alias: dict[str, str] = {}
    for interface, mac in zip(found, macs):
        own_interface(interface, mac)
        by_alias[attribute(interface, "alias", "name")] = mac
    for interface in found:
        persistent = attribute(interface, "teaming", "persistent")
        if persistent and persistent in by_alias:
            need(interface, "mac").set("address", by_alias[persistent])


def own_interface(interface: Element, mac: str) -> None:
    element = interface.find("mac")
    if element is None:
        element = etree.Element("mac")
        interface.insert(0, element)
    element.attrib.pop("type", None)
    element.set("address", mac)
    target = interface.find("target")
    if target is not None and target.get("managed") != "no":
        interface.remove(target)
    source = interface.find("source")
    if source is not None and interface.get("type") != "vds":
        source.attrib.pop("portid", None)
    # A port of MidoNet has nothing else, and is refused where its user does not say what becomes of it.
    for parameters in interface.xpath("virtualport[not(@type='midonet')]/parameters"):
        parameters.attrib.pop("interfaceid", None)
        parameters.attrib.pop("instanceid", None)


def graphics(root: Element) -> None:
    """Ports that libvirt chooses at each start; sockets where libvirt puts them."""
    for element in root.findall("devices/graphics"):
        if any(element.get(port) for port in PORTS) or element.get("autoport"):
            websocket = element.get("websocket")
            for port in PORTS:
                element.attrib.pop(port, None)
            element.set("autoport", "yes")
            if websocket:
                element.set("websocket", "-1")
        if element.attrib.pop("socket", None) and element.find("listen") is None:
            etree.SubElement(element, "listen", type="socket")
        for listen in element.findall("listen[@type='socket']"):
            listen.attrib.pop("socket", None)
        if element.get("type") == "dbus" and element.get("p2p") != "yes":
            element.attrib.pop("address", None)
