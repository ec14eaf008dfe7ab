# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domain XML: what a domain is, and changing its disks without touching anything else."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._model import Disk, Domain, Firmware
from ansible_collections.golden.libvirt.plugins.module_utils._xml import metadata as metadata_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import (
    Element,
    attribute,
    etree,
    need,
    parse,
    text_of,
)

SOURCE_PATHS = ("file", "dev", "dir")
# The units of memory (docs: Domain XML format, Memory Allocation).
BYTES = {"b": 1, "bytes": 1}
for power, unit in enumerate(("k", "M", "G", "T"), 1):
    BYTES.update({unit: 1024**power, f"{unit.upper()}iB": 1024**power, f"{unit.upper()}B": 1000**power})


def domain_of(xml: str, state: str, *, persistent: bool = True) -> Domain:
    """The domain that *xml* (the inactive one) describes, in *state* (as virsh names it)."""
    root = parse(xml)
    return Domain(
        name=root.findtext("name", ""),
        uuid=root.findtext("uuid", ""),
        state=state,
        xml=xml,
        disks=tuple(disk_of(element) for element in root.findall("devices/disk")),
        firmware=firmware_of(root),
        macs=tuple(mac.get("address", "") for mac in root.findall("devices/interface/mac")),
        record=metadata_xml.record_of(root),
        persistent=persistent,
        memory=memory_of(root),
    )


def memory_of(root: Element) -> int:
    """The memory that a domain can have, in MiB, rounded up. Libvirt itself writes KiB."""
    memory = root.find("memory")
    if memory is None:
        return 0
    return -(-int(memory.text or 0) * BYTES[memory.get("unit", "KiB")] // 1024**2)


def disk_of(element: Element) -> Disk:
    """One ``<disk>`` element."""
    source, target, driver = element.find("source"), element.find("target"), element.find("driver")
    paths = [source.get(name) for name in SOURCE_PATHS if source.get(name)] if source is not None else []
    return Disk(
        target=target.get("dev", "") if target is not None else "",
        device=element.get("device", "disk"),
        kind=element.get("type", "file"),
        path=paths[0] if paths else None,
        format=driver.get("type", "raw") if driver is not None else "raw",
        bus=target.get("bus", "") if target is not None else "",
        readonly=element.find("readonly") is not None or element.get("device") == "cdrom",
        shareable=element.find("shareable") is not None,
        transient=element.find("transient") is not None,
        snapshot=element.get("snapshot"),
        serial=element.findtext("serial"),
        pool=source.get("pool") if source is not None else None,
        volume=source.get("volume") if source is not None else None,
    )


def firmware_of(root: Element) -> Firmware:
    """BIOS or UEFI, and where the UEFI variables are. ``<nvram>`` has a source child or the path as its text."""
    loader, nvram = root.find("os/loader"), root.find("os/nvram")
    uefi = nvram is not None or (loader is not None and loader.get("type") == "pflash")
    if not uefi and attribute(root, "os", "firmware") != "efi":
        return Firmware()
    path = None
    if nvram is not None:
        source = nvram.find("source")
        path = source.get("file") if source is not None else (nvram.text or "").strip() or None
    return Firmware(
        kind="uefi",
        loader=loader.text if loader is not None else None,
        nvram=path,
        template=nvram.get("template") if nvram is not None else None,
        nvram_format=nvram.get("format", "raw") if nvram is not None else "raw",
    )


def keeps_variables(xml: str) -> bool:
    """Whether libvirt keeps a domain's UEFI variables in a file, which it makes where that is not there."""
    system = need(parse(xml), "os")
    loader = system.find("loader")
    if system.find("nvram") is not None:
        return True
    if system.find("varstore") is not None:
        return False
    if loader is None:
        return system.get("firmware") == "efi"
    return loader.get("type") == "pflash" and loader.get("stateless") != "yes" and loader.get("readonly") != "no"


def disks_with_chains(xml: str) -> frozenset[str]:
    """The targets of disks of which a domain's definition says what their files are built on."""
    disks = parse(xml).findall("devices/disk[backingStore]")
    return frozenset(attribute(disk, "target", "dev") for disk in disks)


@dataclass(frozen=True)
class Tpm:
    """An emulated TPM: its *kind* (tpm1.2 or tpm2), the *secret* that its state is encrypted with, and the *place* that
    the state is at, where that is not libvirt's own."""

    kind: str
    secret: str = ""
    place: str = ""


def tpm_of(xml: str) -> Tpm | None:
    """The emulated TPM of a domain."""
    backend = parse(xml).find("devices/tpm/backend[@type='emulator']")
    if backend is None:
        return None
    kind = "tpm1.2" if backend.get("version") == "1.2" else "tpm2"
    return Tpm(kind, attribute(backend, "encryption", "secret"), attribute(backend, "source", "path"))


def firmware_files(xml: str) -> set[str]:
    """The files that a domain hands to its guest through its firmware's configuration device."""
    return {entry.get("file", "") for entry in parse(xml).findall("sysinfo[@type='fwcfg']/entry[@file]")}


def with_disk_sources(xml: str, sources: dict[str, tuple[str, str]]) -> str:
    """*xml* with the disks named by *sources* ({target: (path, format)}) reading and writing those files.

    The backing chain that libvirt had written down for the old file is dropped: it finds out anew.
    """
    root = parse(xml)
    missing = set(sources)
    for element in root.findall("devices/disk"):
        target = attribute(element, "target", "dev")
        if target not in sources:
            continue
        missing.discard(target)
        point_disk(element, *sources[target])
    if missing:
        raise GoldenError("changing the disks of a domain", f"it has no disk {', '.join(sorted(missing))}")
    return text_of(root)


def point_disk(element: Element, path: str, form: str) -> None:
    """Let one ``<disk>`` use the file *path*."""
    for old in element.findall("backingStore") + element.findall("source"):
        element.remove(old)
    element.set("type", "file")
    driver = element.find("driver")
    if driver is None:
        driver = etree.Element("driver", name="qemu")
        element.insert(0, driver)
    driver.set("type", form)
    driver.addnext(etree.Element("source", file=path))


@dataclass(frozen=True)
class Platform:
    """What machine a domain is: the hypervisor's *type*, architecture and machine type, None where it is left open."""

    type: str | None
    arch: str | None
    machine: str | None


def platform_of(xml: str) -> Platform:
    root = parse(xml)
    return Platform(
        root.get("type"), attribute(root, "os/type", "arch") or None, attribute(root, "os/type", "machine") or None
    )


def most_vcpus(capabilities: str) -> int:
    """How many processors a machine may have, as the capabilities of its kind say; 0 where they do not."""
    return int(attribute(parse(capabilities), "vcpu", "max") or 0)


@dataclass(frozen=True)
class Capabilities:
    """What is read of a connection's capabilities XML."""

    host_uuid: str
    external_snapshot: bool


def capabilities_of(xml: str) -> Capabilities:
    """*external_snapshot*: whether libvirt reverts external snapshots itself (>= 9.9), as it says of its guests."""
    root = parse(xml)
    return Capabilities(
        host_uuid=root.findtext("host/uuid", ""),
        external_snapshot=root.find("guest/features/externalSnapshot") is not None,
    )
