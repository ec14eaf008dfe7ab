# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions put into a lab's pool by hand, as promote makes them, for tests of what comes after promoting.

web = versions.add(lab, "web", "1", disks=["qcow2", "raw"])
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import types
import typing as t
import xml.etree.ElementTree as ET
from dataclasses import replace

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import volumes
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._image import manifest
from ansible_collections.golden.libvirt.plugins.module_utils._image.journal import Journal
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Holder,
    Lineage,
    Sealed,
    Version,
    VersionDisk,
    VersionNvram,
)

from support import tiny_guest
from support.lab import MIB, Lab, qemu_img


def add(
    lab: Lab,
    image: str,
    version: str,
    *,
    disks: t.Sequence[str] = ("qcow2",),
    content: bytes = b"golden",
    first_boot: str = "",
    guest: bool = False,
    nvram: bytes = b"",
    parent: tuple[str, str] | None = None,
    created: str = "2026-01-01T00:00:00Z",
    labels: t.Mapping[str, str] = types.MappingProxyType({}),
    key: str | None = None,
    **options: t.Any,
) -> Version:
    """A version whose disks start with *content*, the target's name and the version; *options* are tiny_guest's.

    It is signed with the *key*, a file, where one is given.
    """
    made = []
    for letter, form in zip("abcdefgh", disks):
        target = f"vd{letter}"
        name = f"golden.{image}.{version}.{target}.{form}"
        lab.disk(name, form, content=content + f" {target} {version}".encode())
        freeze(lab, name)
        made.append(VersionDisk(target, name, form, 16 * MIB, size_of(lab, name), digest_of(lab, name)))
    variables = None
    if nvram:
        name = f"golden.{image}.{version}.nvram.fd"
        pathlib.Path(lab.file(name)).write_bytes(nvram)
        freeze(lab, name)
        variables = VersionNvram(name, "raw", len(nvram), digest_of(lab, name))
    found = Version(
        image=image,
        version=version,
        created=created,
        labels=dict(labels),
        lineage=Lineage(*parent) if parent else None,
        created_by="test",
        template=template(made, guest, bool(nvram), **options),
        disks=tuple(made),
        firmware="uefi" if nvram else "bios",
        nvram=variables,
        sealed=Sealed("guest", ("machine-id",), first_boot),
    )
    if key:
        found = replace(found, signature=signature(key, manifest.signed_bytes(found)))
    write(lab, found)
    return found


def write(lab: Lab, version: Version) -> None:
    """Write the manifest of a version, whole by its own account."""
    pathlib.Path(lab.file(f"golden.{version.image}.{version.version}.manifest.json")).write_bytes(
        manifest.bytes_of(version)
    )
    lab.refresh()


def signature(key: str, message: bytes, namespace: str = "golden.libvirt") -> str:
    command = ["ssh-keygen", "-q", "-Y", "sign", "-f", key, "-n", namespace]
    return subprocess.run(command, input=message, check=True, capture_output=True).stdout.decode()


def add_image(lab: Lab, image: str, version: str, source: pathlib.Path, *, first_boot: str) -> Version:
    """A version of one disk, which is a copy of the qcow2 file *source*."""
    made = add(lab, image, version, first_boot=first_boot)
    path = pathlib.Path(lab.file(made.disks[0].volume))
    path.unlink()
    shutil.copy(source, path)
    freeze(lab, path.name)
    capacity = json.loads(qemu_img("info", "--output=json", str(path)))["virtual-size"]
    disk = VersionDisk("vda", path.name, "qcow2", capacity, size_of(lab, path.name), digest_of(lab, path.name))
    made = replace(made, disks=(disk,))
    pathlib.Path(lab.file(f"golden.{image}.{version}.manifest.json")).write_bytes(manifest.bytes_of(made))
    lab.refresh()
    return made


def template(disks: t.Sequence[VersionDisk], guest: bool, uefi: bool, **options: t.Any) -> str:
    """The domain of a version: nothing in it that tells machines apart."""
    kernel, initrd = tiny_guest.build() if guest else ("", "")
    there = [tiny_guest.Disk(disk.target, "/none", disk.format) for disk in disks]
    options = {"firmware": "uefi" if uefi else "bios", "macs": [None], **options}
    root = ET.fromstring(tiny_guest.domain_xml("golden-template", kernel, initrd, disks=there, **options))
    boot = root.find("os")
    for tag in () if guest else ("kernel", "initrd", "cmdline"):
        boot.remove(boot.find(tag))
    for disk in root.findall("devices/disk"):
        disk.remove(disk.find("source"))
    return ET.tostring(root, encoding="unicode")


def set_state(lab: Lab, image: str, version: str, state: str, reason: str) -> None:
    """Write into the image's journal that a version is deprecated or revoked."""
    with Hypervisor(lab.uri) as hypervisor:
        said = {version: {"state": state, "reason": reason, "date": "2026-01-01"}}
        Journal(volumes.open_pool(hypervisor, lab.pool), image).change(
            lambda now: replace(now, states={**now.states, **said})
        )


def freeze(lab: Lab, name: str) -> None:
    os.chmod(lab.file(name), 0o444)


def size_of(lab: Lab, name: str) -> int:
    return os.path.getsize(lab.file(name))


def digest_of(lab: Lab, name: str) -> str:
    return hashlib.sha256(pathlib.Path(lab.file(name)).read_bytes()).hexdigest()


def names_of(version: Version) -> list[str]:
    return [disk.volume for disk in version.disks] + ([version.nvram.volume] if version.nvram else [])


def claim_for_the_dead(lab: Lab, image: str, version: str) -> None:
    """Write into the image's journal that a run which is dead has claimed a version."""
    dead = Holder("nowhere", "no-boot", 1, "0", 0)
    with Hypervisor(lab.uri) as hypervisor:
        Journal(volumes.open_pool(hypervisor, lab.pool), image).change(
            lambda now: replace(now, claims={**now.claims, version: dead})
        )
