# Copyright (c) the golden.libvirt developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Domains that run the tiny guest of ../guest, and what a test says to that guest.

kernel, initrd = build()
domain = connection.defineXML(domain_xml("t1", kernel, initrd, disks=[Disk("vda", "/…/a.qcow2")]))
domain.create()
guest = Guest(domain)
guest.wait()
guest.write("vda", 4096, "marker")
assert guest.read("vda", 4096, 6) == "marker"
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import time
import typing as t
import xml.etree.ElementTree as ET

BUILD = pathlib.Path(__file__).resolve().parent.parent / "guest" / "build.sh"


def build(directory: str | None = None) -> tuple[str, str]:
    """Build the guest where that is still to be done; the paths of its kernel and its initrd."""
    command = [str(BUILD)] + ([directory] if directory else [])
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    made = dict(line.split("=", 1) for line in output.splitlines())
    return made["kernel"], made["initrd"]


class Disk(t.NamedTuple):
    target: str
    path: str
    format: str = "qcow2"
    bus: str = "virtio"  # virtio, scsi or ide
    readonly: bool = False
    serial: str | None = None
    device: str = "disk"


def domain_xml(
    name: str,
    kernel: str,
    initrd: str,
    *,
    disks: t.Sequence[Disk] = (),
    firmware: str = "bios",
    memory: int | None = None,
    options: t.Sequence[str] = (),
    serial_log: str | None = None,
    channel: bool = True,
    macs: t.Sequence[str | None] = (),
    nvram: str | None = None,
    extra_devices: str = "",
) -> str:
    """The XML of a domain that runs the tiny guest, always under software emulation.

    ``memory`` is in MiB; the least that works is the default: 96 with BIOS, 192 with UEFI. ``options`` go on the
    kernel command line (``fsfreeze=refuse``, ``agent=off``, …: see ../guest/README.md); ``macs`` makes
    one user-mode interface for each, ``None`` leaving the address to libvirt; ``extra_devices`` is XML.
    """
    root = ET.Element("domain", type="qemu")
    ET.SubElement(root, "name").text = name
    ET.SubElement(root, "memory", unit="MiB").text = str(memory or (192 if firmware == "uefi" else 96))
    ET.SubElement(root, "vcpu").text = "1"
    root.append(_boot(kernel, initrd, firmware, options, nvram))
    features = ET.SubElement(root, "features")
    ET.SubElement(features, "acpi")
    ET.SubElement(features, "apic")
    ET.SubElement(root, "cpu", mode="custom", match="exact").append(_element("model", "qemu64", fallback="allow"))
    devices = ET.SubElement(root, "devices")
    for disk in disks:
        devices.append(_disk(disk))
    if any(disk.bus == "scsi" for disk in disks):
        ET.SubElement(devices, "controller", type="scsi", model="virtio-scsi")
    for mac in macs:
        interface = ET.SubElement(devices, "interface", type="user")
        if mac:
            ET.SubElement(interface, "mac", address=mac)
        ET.SubElement(interface, "model", type="virtio")
    if channel:
        agent = ET.SubElement(devices, "channel", type="unix")
        ET.SubElement(agent, "target", type="virtio", name="org.qemu.guest_agent.0")
    if serial_log:
        serial = ET.SubElement(devices, "serial", type="file")
        ET.SubElement(serial, "source", path=serial_log)
        ET.SubElement(serial, "target", port="0")
    ET.SubElement(devices, "memballoon", model="none")
    devices.extend(ET.fromstring(f"<devices>{extra_devices}</devices>"))
    return ET.tostring(root, encoding="unicode")


def _element(tag: str, text: str, **attributes: str) -> ET.Element:
    element = ET.Element(tag, attributes)
    element.text = text
    return element


def _boot(kernel: str, initrd: str, firmware: str, options: t.Sequence[str], nvram: str | None) -> ET.Element:
    boot = ET.Element("os")
    ET.SubElement(boot, "type", arch="x86_64", machine="q35" if firmware == "uefi" else "pc").text = "hvm"
    if firmware == "uefi":
        boot.set("firmware", "efi")
        wanted = ET.SubElement(boot, "firmware")
        for feature in ("enrolled-keys", "secure-boot"):
            ET.SubElement(wanted, "feature", enabled="no", name=feature)
        if nvram:
            ET.SubElement(boot, "nvram").text = nvram
    ET.SubElement(boot, "kernel").text = kernel
    ET.SubElement(boot, "initrd").text = initrd
    words = ["console=ttyS0", "quiet", "panic=-1", "random.trust_cpu=on", "tsc=unstable", "mitigations=off"]
    ET.SubElement(boot, "cmdline").text = " ".join(words + [f"golden.{option}" for option in options])
    return boot


def _disk(disk: Disk) -> ET.Element:
    element = ET.Element("disk", type="file", device=disk.device)
    ET.SubElement(element, "driver", name="qemu", type=disk.format)
    ET.SubElement(element, "source", file=disk.path)
    ET.SubElement(element, "target", dev=disk.target, bus=disk.bus)
    if disk.serial:
        ET.SubElement(element, "serial").text = disk.serial
    if disk.readonly:
        ET.SubElement(element, "readonly")
    return element


class Guest:
    """What a test says to a running tiny guest."""

    def __init__(self, domain: t.Any, timeout: int = 30) -> None:
        self.domain = domain
        self.timeout = timeout

    def command(self, execute: str, **arguments: t.Any) -> t.Any:
        """One agent command; what it returned. An error of the agent's comes as libvirt's own exception."""
        import libvirt_qemu

        request: dict[str, t.Any] = {"execute": execute}
        if arguments:
            request["arguments"] = arguments
        answer = libvirt_qemu.qemuAgentCommand(self.domain, json.dumps(request), self.timeout, 0)
        return json.loads(answer)["return"]

    def wait(self, seconds: float = 60) -> float:
        """Wait until the agent answers; the seconds that took."""
        import libvirt

        start = time.monotonic()
        while True:
            try:
                self.command("guest-ping")
                return time.monotonic() - start
            except libvirt.libvirtError as error:
                if time.monotonic() - start > seconds:
                    raise TimeoutError(f"{self.domain.name()}: no agent after {seconds} s: {error}") from error
                time.sleep(0.1)

    def write(self, disk: str, offset: int, text: str) -> None:
        """Write text to a disk, down to the storage."""
        self.command("golden-write", disk=disk, offset=offset, text=text)

    def fill(self, disk: str, offset: int, length: int, text: str) -> None:
        """Write text over and over until ``length`` bytes are written."""
        self.command("golden-fill", disk=disk, offset=offset, length=length, text=text)

    def read(self, disk: str, offset: int, length: int) -> str:
        """The bytes of a disk as the guest sees them, each as the character of its number."""
        return self.command("golden-read", disk=disk, offset=offset, length=length)["text"]

    def checksum(self, disk: str, offset: int = 0, length: int | None = None) -> str:
        """A checksum (64-bit FNV-1a) of a part of a disk, or of the whole, as the guest sees it."""
        part = {} if length is None else {"length": length}
        return self.command("golden-sum", disk=disk, offset=offset, **part)["fnv1a64"]

    def remember(self, text: str) -> None:
        """Keep a text in the guest's memory, nowhere else."""
        self.command("golden-remember", text=text)

    def state(self) -> dict[str, t.Any]:
        """frozen, freezes, thaws, uptime, remembered, disks {name: bytes}, cmdline."""
        return self.command("golden-state")
