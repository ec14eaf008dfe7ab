# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Volume and pool XML."""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass

from ansible_collections.golden.libvirt.plugins.module_utils._model import Volume
from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import etree, parse, text_of

FROZEN = "0444"
PRIVATE = "0640"


@dataclass(frozen=True)
class PoolHead:
    """What is read of a pool's XML."""

    type: str
    path: str


def pool_of(xml: str) -> PoolHead:
    root = parse(xml)
    return PoolHead(type=root.get("type", ""), path=root.findtext("target/path", ""))


def directory_pool(name: str, path: str) -> str:
    """A dir pool over an existing directory."""
    root = etree.Element("pool", type="dir")
    etree.SubElement(root, "name").text = name
    etree.SubElement(etree.SubElement(root, "target"), "path").text = path
    return text_of(root)


def volume_of(pool: str, xml: str) -> Volume:
    """A volume as libvirt describes it."""
    root = parse(xml)

    def number(tag: str) -> int:
        return int(root.findtext(tag) or 0)

    form = root.find("target/format")
    backing_form = root.find("backingStore/format")
    owner = root.findtext("target/permissions/owner")
    return Volume(
        pool=pool,
        name=root.findtext("name", ""),
        path=root.findtext("target/path", ""),
        format=form.get("type", "raw") if form is not None else "raw",
        capacity=number("capacity"),
        allocation=number("allocation"),
        size=number("physical") or number("allocation"),
        mtime=root.findtext("target/timestamps/mtime", ""),
        mode=root.findtext("target/permissions/mode", ""),
        backing=file_named(root.findtext("backingStore/path")),
        backing_format=backing_form.get("type") if backing_form is not None else None,
        owner=int(owner) if owner is not None else None,
    )


def file_named(said: str | None) -> str | None:
    """The path of the file that an overlay says it is built on, in its one spelling; anything else as it is said."""
    path = said or ""
    if path.startswith("json:"):
        path = file_in(path[len("json:") :])
    path = path[len("file:") :] if path.startswith("file:") else path
    return "/" + posixpath.normpath(path).lstrip("/") if path.startswith("/") else said


def file_in(text: str) -> str:
    """The file that QEMU's JSON for a disk names; empty where it names none."""
    try:
        node = json.loads(text)
    except ValueError:
        return ""
    while isinstance(node, dict):
        node = node.get("file.filename") or node.get("filename") or node.get("file")
    return node if isinstance(node, str) else ""


def new_volume(
    name: str,
    capacity: int,
    form: str,
    *,
    mode: str = PRIVATE,
    backing: str | None = None,
    backing_format: str = "qcow2",
) -> str:
    """The XML that makes a volume; *capacity* in bytes, nothing allocated beforehand.

    qcow2 gets compat 1.1 always: libvirt 9.0's default is 0.10.
    """
    root = etree.Element("volume")
    etree.SubElement(root, "name").text = name
    etree.SubElement(root, "capacity", unit="bytes").text = str(capacity)
    etree.SubElement(root, "allocation", unit="bytes").text = "0"
    target = etree.SubElement(root, "target")
    etree.SubElement(target, "format", type=form)
    etree.SubElement(etree.SubElement(target, "permissions"), "mode").text = mode
    if form == "qcow2":
        etree.SubElement(target, "compat").text = "1.1"
    if backing:
        store = etree.SubElement(root, "backingStore")
        etree.SubElement(store, "path").text = backing
        etree.SubElement(store, "format", type=backing_format)
    return text_of(root)
