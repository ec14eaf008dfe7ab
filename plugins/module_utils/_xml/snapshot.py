# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshot XML: what a snapshot is, what makes one, and our line in its description."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Disk,
    Domain,
    Snapshot,
    SnapshotDisk,
    SnapshotNote,
)
from ansible_collections.golden.libvirt.plugins.module_utils._xml import domain as domain_xml
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import (
    Element,
    attribute,
    etree,
    parse,
    remove,
    text_of,
)

# libvirt keeps nothing of ours in a snapshot but its description, so the last line of that is ours:
# [golden.libvirt label="nightly" consistency="offline"], values as JSON strings.
NOTE = re.compile(r'\[golden\.libvirt((?: [a-z]+="(?:[^"\\]|\\.)*")*)\]')
WORD = re.compile(r' ([a-z]+)=("(?:[^"\\]|\\.)*")')
# libvirt puts it (from 9.0 on) into snapshots below the one that it deletes, and then does not delete these.
MARK = re.compile(r"\s*<snapshotDeleteInProgress/>")


def with_note(text: str, note: SnapshotNote) -> str:
    """The description that holds the user's *text* and *note*."""
    words = [
        f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in asdict(note).items() if value is not None
    ]
    line = " ".join(["[golden.libvirt", *words]) + "]"
    return f"{text}\n\n{line}" if text else line


def without_note(description: str) -> tuple[str, SnapshotNote]:
    """The user's text and our note; an empty note where another tool wrote the description."""
    start, _newline, line = description.rpartition("\n")
    found = NOTE.fullmatch(line)
    if not found:
        return description, SnapshotNote()
    words = {name: json.loads(value) for name, value in WORD.findall(found.group(1))}
    known = SnapshotNote.__dataclass_fields__
    return start.removesuffix("\n"), SnapshotNote(**{name: value for name, value in words.items() if name in known})


def snapshot_of(domain: str, xml: str, *, current: bool = False) -> Snapshot:
    """The snapshot of *domain* that *xml* describes."""
    root = parse(xml)
    then = domain_then(root)
    used = {disk.target: disk for disk in then.disks} if then else {}
    reverted = {element.get("name", ""): element for element in root.findall("revertDisks/disk")}
    disks = tuple(disk_of(element, reverted, used) for element in root.findall("disks/disk"))
    memory = attribute(root, "memory", "snapshot") or ("no" if root.findtext("state") == "shutoff" else "internal")
    text, note = without_note(root.findtext("description", ""))
    return Snapshot(
        domain=domain,
        name=root.findtext("name", ""),
        kind="external" if memory == "external" or any(disk.kind == "external" for disk in disks) else "internal",
        memory=memory != "no",
        state=root.findtext("state", ""),
        created=int(root.findtext("creationTime", "0")),
        parent=root.findtext("parent/name"),
        current=current,
        description=text,
        note=note,
        memory_file=attribute(root, "memory", "file") or None,
        disks=disks,
        tpm=memory != "no" if then and has_tpm(then.xml) else None,
        xml=xml,
    )


def disk_of(element: Element, reverted: Mapping[str, Element], used: Mapping[str, Disk]) -> SnapshotDisk:
    """One disk of a snapshot; libvirt from 9.9 on notes the overlay that its own revert made apart (*reverted*)."""
    target = element.get("name", "")
    base = used.get(target)
    return SnapshotDisk(
        target=target,
        kind=element.get("snapshot", "internal"),
        path=attribute(reverted.get(target, element), "source", "file") or None,
        format=attribute(element, "driver", "type") or "qcow2",
        base=base.path if base else None,
        base_format=base.format if base else "raw",
    )


def domain_then(root: Element) -> Domain | None:
    """The domain as it was used when the snapshot *root* was taken; None where libvirt did not keep it."""
    element = root.find("domain")
    return domain_xml.domain_of(text_of(element), root.findtext("state", "")) if element is not None else None


def volumes_then(snapshot: Snapshot) -> dict[str, Disk]:
    """The disks, by target, that were volumes of a pool when the snapshot was taken: only libvirt knows their files."""
    then = domain_then(parse(snapshot.xml))
    return {disk.target: disk for disk in then.disks if disk.kind == "volume"} if then else {}


def definition_then(snapshot: Snapshot, *, live: bool = False) -> str:
    """The XML of the domain as it was defined when the snapshot was taken, or (*live*) as it ran."""
    root = parse(snapshot.xml)
    inactive = None if live else root.find("inactiveDomain")
    element = root.find("domain") if inactive is None else inactive
    if element is None:
        raise GoldenError(
            f"reading snapshot {snapshot.name} of {snapshot.domain}", "libvirt did not keep the domain's XML with it"
        )
    element.tag = "domain"
    element.tail = None
    return text_of(element)


def new_snapshot(snapshot: Snapshot) -> str:
    """The XML that makes *snapshot*."""
    root = etree.Element("domainsnapshot")
    etree.SubElement(root, "name").text = snapshot.name
    etree.SubElement(root, "description").text = with_note(snapshot.description, snapshot.note)
    memory = etree.SubElement(root, "memory", snapshot=snapshot.kind if snapshot.memory else "no")
    if snapshot.memory_file:
        memory.set("file", snapshot.memory_file)
    disks = etree.SubElement(root, "disks")
    for disk in snapshot.disks:
        element = etree.SubElement(disks, "disk", name=disk.target, snapshot=disk.kind)
        if disk.path:
            element.set("type", "file")
            etree.SubElement(element, "driver", type=disk.format)
            etree.SubElement(element, "source", file=disk.path)
    return text_of(root)


def with_overlays(xml: str, overlays: Mapping[str, str]) -> str:
    """The snapshot *xml* with other files as the overlays of the disks that *overlays* ({target: path}) names."""
    root = parse(xml)
    remove(root, "revertDisks")
    for element in root.findall("disks/disk"):
        source, path = element.find("source"), overlays.get(element.get("name", ""))
        if source is not None and path:
            source.set("file", path)
    return text_of(root)


def with_chains(xml: str, chains: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    """The snapshot *xml* with what the files of its domain are built on: *chains* as {path: the (path, format) below}.

    A disk whose chain libvirt has written down already keeps that.
    """
    root = parse(xml)
    for disk in root.findall("domain/devices/disk"):
        path = attribute(disk, "source", "file")
        if path not in chains or disk.find("backingStore") is not None:
            continue
        place = disk
        for below, form in chains[path]:
            place = etree.SubElement(place, "backingStore", type="file")
            etree.SubElement(place, "format", type=form)
            etree.SubElement(place, "source", file=below)
        etree.SubElement(place, "backingStore")
    return text_of(root)


def unmarked(xml: str) -> str:
    """The snapshot *xml* without libvirt's marks that what follows from it was being deleted."""
    return MARK.sub("", xml)


def shown(xml: str) -> list[str]:
    """A domain's XML as lines for a diff, without its secrets."""
    root = parse(xml)
    for graphics in root.findall("devices/graphics"):
        graphics.attrib.pop("passwd", "")
    for cookie in root.iter("cookie"):
        cookie.text = None
    etree.indent(root)
    return text_of(root).splitlines()


def unsaveable(xml: str) -> list[str]:
    """The devices of a domain that keep QEMU from saving its memory, in words."""
    root = parse(xml)
    found = [f"its host device ({device.get('type', '')})" for device in root.findall("devices/hostdev")]
    found += [
        f"its interface of type {kind}" for kind in ("hostdev", "vdpa") if has(root, f"interface[@type='{kind}']")
    ]
    found += ["the host's directory that it shares"] if has(root, "filesystem") else []
    return found


def has_tpm(xml: str) -> bool:
    """Whether a domain has an emulated TPM, whose state is a file of libvirt's."""
    return has(parse(xml), "tpm/backend[@type='emulator']")


def has(root: Element, device: str) -> bool:
    return root.find(f"devices/{device}") is not None
