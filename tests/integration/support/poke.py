# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing to a domain's disks as its guest would, without a guest."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import libvirt_qemu


def poke(lab, name: str, target: str, content: bytes, offset: int = 0) -> None:
    """Write *content* to a disk: through QEMU's own device where the domain is on, else into the file."""
    domain = lab.domain(name)
    if not domain.isActive():
        lab.write(lab.disk_path(name, target), content, offset=offset)
        return
    alias = ET.fromstring(domain.XMLDesc(0)).find(f"devices/disk/target[@dev='{target}']/../alias").get("name")
    blocks = json.loads(libvirt_qemu.qemuMonitorCommand(domain, '{"execute": "query-block"}', 0))["return"]
    device = next(block["qdev"] for block in blocks if f"/{alias}/" in block["qdev"])
    pattern = lab.path / ".pattern"
    pattern.write_bytes(content)
    for command in (f"write -s {pattern} {offset} {len(content)}", "flush"):
        said = libvirt_qemu.qemuMonitorCommand(domain, f'qemu-io -d {device} "{command}"', 1)
        assert said == "", said
    pattern.unlink()
