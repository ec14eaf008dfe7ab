# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup job XML."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import etree, text_of


def push_job(disks: Collection[str], targets: Mapping[str, str]) -> str:
    """Of a domain's *disks*, write those in *targets* to these qcow2 files, and no others."""
    root = etree.Element("domainbackup", mode="push")
    place = etree.SubElement(root, "disks")
    for name in disks:
        if name in targets:
            disk = etree.SubElement(place, "disk", name=name, backup="yes", type="file")
            etree.SubElement(disk, "driver", type="qcow2")
            etree.SubElement(disk, "target", file=targets[name])
        else:
            etree.SubElement(place, "disk", name=name, backup="no")
    return text_of(root)
