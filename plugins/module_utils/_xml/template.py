# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A version's domain template: a domain's XML without what makes it that one domain."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.golden.libvirt.plugins.module_utils._model import Identity, Record
from ansible_collections.golden.libvirt.plugins.module_utils._xml import identity
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import disk_of
from ansible_collections.golden.libvirt.plugins.module_utils._xml.metadata import with_record
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import (
    Element,
    attribute,
    etree,
    parse,
    remove,
    text_of,
)

NAME = "golden-template"
# It stands where the SMBIOS tables have a UUID: a clone's replaces it.
NOBODY = "00000000-0000-0000-0000-000000000000"


def template_of(xml: str) -> str:
    """The template made of a domain's inactive *xml*: the same text for the same machine, whatever it is called.

    What identity.give_identity sets is taken out, or neutral where its place must be kept. Written disks have no
    source. All else, what is not known here too, stays.
    """
    root = parse(xml)
    identity.give_identity(root, Identity(NAME, NOBODY, macs=("",) * identity.interface_count(xml)))
    remove(root, "uuid")
    for interface in root.findall("devices/interface"):
        remove(interface, "mac")
    for disk in root.findall("devices/disk"):
        if disk_of(disk).written:
            remove(disk, "source")
            disk.set("type", "file")
    return tidied(root)


def definition_of(xml: str) -> str:
    """A domain's inactive *xml* as it was before it was renamed or marked by us."""
    root = parse(xml)
    remove(root, "name")
    return tidied(root)


def tidied(root: Element) -> str:
    """*root* as text, without our metadata and the spaces that these leave."""
    with_record(root, Record())
    for metadata in root.findall("metadata"):
        if not len(metadata):
            root.remove(metadata)
    etree.indent(root)
    return text_of(root)


def unpromotable(xml: str, *, without_tpm: bool = False) -> tuple[str, ...]:
    """What of a domain no version can hold, in words. *without_tpm*: an emulated TPM's state is to be left out."""
    root = parse(xml)
    return (*outside(root, without_tpm), *encrypted(root))


def outside(root: Element, without_tpm: bool) -> Iterator[str]:
    """State that is not in the domain's disks."""
    for device in root.findall("devices/hostdev"):
        yield f"it has a host device ({device.get('mode')} {device.get('type', '')})".replace(" )", ")")
    for number, interface in enumerate(root.findall("devices/interface"), 1):
        if interface.get("type") in ("hostdev", "vdpa"):
            yield f"its interface {number} is a host device"
    for backend in root.findall("devices/tpm/backend"):
        kind = backend.get("type")
        if kind != "emulator":
            yield f"it has a TPM ({kind}), whose state cannot be copied: remove the device first"
        elif not without_tpm:
            yield f"it has a TPM ({kind}), whose state is not copied: say 'tpm: empty', or remove the device first"
    for path in root.findall("devices/memory/source/path"):
        yield f"its memory device is the file {path.text}"


def encrypted(root: Element) -> Iterator[str]:
    for disk in root.findall("devices/disk"):
        if disk.find(".//encryption") is not None:
            yield f"disk {attribute(disk, 'target', 'dev')} is encrypted"
