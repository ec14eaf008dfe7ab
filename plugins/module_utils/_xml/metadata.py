# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our element in a domain's ``<metadata>``: where a clone comes from, and that a domain was sealed."""

from __future__ import annotations

from dataclasses import asdict

from ansible_collections.golden.libvirt.plugins.module_utils._model import Holder, Made, Origin, Record, Seal
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import Element, etree, need, text_of

NAMESPACE = "https://golden-libvirt.github.io/ns/domain/1"
KEY = "golden"


def tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def record_of(root: Element) -> Record:
    """What our element in the domain *root* says; an empty record where there is none."""
    ours = root.find(f"metadata/{tag('domain')}")
    if ours is None:
        return Record()
    origin, seal = ours.find(tag("origin")), ours.find(tag("seal"))
    return Record(
        origin=origin_of(origin) if origin is not None else None,
        seal=seal_of(seal) if seal is not None else None,
    )


def origin_of(element: Element) -> Origin:
    holder = element.find(tag("holder"))
    return Origin(
        image=element.get("image", ""),
        version=element.get("version", ""),
        channel=element.get("channel"),
        linked=element.get("linked") == "yes",
        created=element.get("created", ""),
        complete=element.get("complete") == "yes",
        made=tuple(Made(made.get("pool", ""), made.get("volume", "")) for made in element.findall(tag("made"))),
        domain=element.get("domain", ""),
        customised=element.get("customised") == "yes",
        holder=holder_of(holder) if holder is not None else None,
        label=element.get("label", ""),
        skipped=targets(element, "skipped"),
        shared=targets(element, "shared"),
        hostname=element.get("hostname", ""),
    )


def targets(element: Element, tag_name: str) -> tuple[str, ...]:
    """The disks named by elements of one kind."""
    return tuple(disk.get("target", "") for disk in element.findall(tag(tag_name)))


def holder_of(element: Element) -> Holder:
    return Holder(
        host=element.get("host", ""),
        boot=element.get("boot", ""),
        pid=int(element.get("pid", "0")),
        started=element.get("started", ""),
        until=int(element.get("until", "0")),
    )


def seal_of(element: Element) -> Seal:
    return Seal(
        method=element.get("method", ""),
        operations=tuple(operation.text or "" for operation in element.findall(tag("operation"))),
        first_boot=element.get("first_boot", ""),
        created=element.get("created", ""),
        witness=tuple((disk.get("path", ""), disk.get("mtime", "")) for disk in element.findall(tag("disk"))),
    )


def element_of(record: Record) -> str | None:
    """The element that says *record*, as libvirt's setMetadata takes it; None for an empty record.

    libvirt declares the prefix itself and fails where that is done already: hence a default namespace.
    """
    if record == Record():
        return None
    root = etree.Element(tag("domain"), nsmap={None: NAMESPACE})
    if record.origin:
        add_origin(root, record.origin)
    if record.seal:
        add_seal(root, record.seal)
    return text_of(root)


def add_origin(root: Element, origin: Origin) -> None:
    element = etree.SubElement(root, tag("origin"), image=origin.image, version=origin.version)
    if origin.channel:
        element.set("channel", origin.channel)
    if origin.domain:
        element.set("domain", origin.domain)
    if origin.customised:
        element.set("customised", "yes")
    if origin.hostname:
        element.set("hostname", origin.hostname)
    if origin.label:
        element.set("label", origin.label)
    element.set("linked", "yes" if origin.linked else "no")
    element.set("created", origin.created)
    element.set("complete", "yes" if origin.complete else "no")
    for made in origin.made:
        etree.SubElement(element, tag("made"), pool=made.pool, volume=made.volume)
    for name, disks in (("skipped", origin.skipped), ("shared", origin.shared)):
        for target in disks:
            etree.SubElement(element, tag(name), target=target)
    if origin.holder:
        said = {name: str(value) for name, value in asdict(origin.holder).items()}
        etree.SubElement(element, tag("holder"), attrib=said)


def add_seal(root: Element, seal: Seal) -> None:
    element = etree.SubElement(root, tag("seal"), method=seal.method, first_boot=seal.first_boot, created=seal.created)
    for operation in seal.operations:
        etree.SubElement(element, tag("operation")).text = operation
    for path, mtime in seal.witness:
        etree.SubElement(element, tag("disk"), path=path, mtime=mtime)


def with_record(root: Element, record: Record) -> None:
    """Put *record* into the domain *root*, leaving others' metadata as they are."""
    holder = root.find("metadata")
    if holder is None:
        holder = etree.Element("metadata")
        need(root, "uuid" if root.find("uuid") is not None else "name").addnext(holder)
    old = holder.find(tag("domain"))
    if old is not None:
        holder.remove(old)
    text = element_of(record)
    if text:
        holder.append(etree.fromstring(text))
