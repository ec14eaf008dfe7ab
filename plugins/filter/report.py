# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: report
short_description: Put together what hypervisors tell of their images
version_added: "0.1.0"
description:
  - Takes what M(golden.libvirt.image_info) returned on any number of hypervisors, and returns it by image, with
    versions that several of them hold once, the drawing of their lineage, and a table for job output.
author:
  - The golden.libvirt developers (@golden-libvirt)
options:
  _input:
    description: RV(golden.libvirt.image_info#module:images) by the hypervisor's name.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the table
  ansible.builtin.debug:
    msg: "{{ ({'kvm1': there.images} | golden.libvirt.report).text }}"
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:images), the list of images; RV(ignore:hypervisors), the list of hypervisors with what they hold;
      RV(ignore:text), the lines of the table.
  type: dict
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._names import order

Facts = dict[str, Any]
FLAGS = ("revoked", "orphaned", "drifted", "outdated", "deprecated")
# The table in a job's output shows so many of an image's versions beside those that are assigned or in use.
NEWEST = 5
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
COLUMNS = ("IMAGE", "VERSION", "STATE", "CHANNELS", "CREATED", "SIZE", "CLONES", "ON")


def report(told: Mapping[str, Sequence[Facts]]) -> Facts:
    """All that a report shows."""
    names = sorted({image["name"] for images in told.values() for image in images})
    images = [
        image_of(name, {host: image for host, of in told.items() for image in of if image["name"] == name})
        for name in names
    ]
    hypervisors = [hypervisor_of(host, images) for host in sorted(told)]
    return {"hypervisors": hypervisors, "images": images, "text": table(images, len(hypervisors))}


def hypervisor_of(host: str, images: Iterable[Facts]) -> Facts:
    clones = [clone for image in images for clone in image["clones"] if clone["hypervisor"] == host]
    held = [version for image in images for version in image["versions"] if host in version["on"]]
    return {
        "name": host,
        "versions": len(held),
        "bytes": sum(version["bytes"] for version in held),
        "clones": len(clones),
        "flagged": sum(1 for clone in clones if clone["flags"]),
    }


def image_of(name: str, by_host: Mapping[str, Facts]) -> Facts:
    """One image, as the hypervisors *by_host* tell of it."""
    clones = sorted(
        (clone_of(host, clone) for host, image in by_host.items() for clone in image["clones"]),
        key=lambda clone: (min(map(FLAGS.index, clone["flags"]), default=9), clone["hypervisor"], clone["name"]),
    )
    there = dict.fromkeys(of["version"] for image in by_host.values() for of in image["versions"])
    versions = [version_of(version, by_host, clones) for version in there]
    versions.sort(key=lambda of: (of["created"], order(of["version"])), reverse=True)
    return {
        "name": name,
        "versions": versions,
        "channels": channels_of(by_host),
        "deleted": sorted({of["version"] for image in by_host.values() for of in image["deleted"]}),
        "claims": [{**claim, "hypervisor": host} for host, image in by_host.items() for claim in image["claims"]],
        "clones": clones,
        "flagged": sum(1 for clone in clones if clone["flags"]),
        "drawing": drawing(name, versions),
    }


def version_of(version: str, by_host: Mapping[str, Facts], clones: Sequence[Facts]) -> Facts:
    """One version, with the hypervisors that it is on; it *differs* where these hold other bytes under its name."""
    found = {host: of for host, image in by_host.items() for of in image["versions"] if of["version"] == version}
    first = next(iter(found.values()))
    digests = {tuple((disk["target"], disk["sha256"]) for disk in of["disks"]) for of in found.values()}
    mine = [clone for clone in clones if clone["version"] == version]
    return {
        **first,
        "on": sorted(found),
        "differs": len(digests) > 1,
        "states": {host: of["state"] for host, of in found.items()},
        "state": max((of["state"] for of in found.values()), key=("active", "deprecated", "absent", "revoked").index),
        "reason": next((of["reason"] for of in found.values() if of.get("reason")), ""),
        "channels": sorted({channel for of in found.values() for channel in of["channels"]}),
        "problems": sorted({f"{host}: {what}" for host, of in found.items() for what in of.get("problems", [])}),
        "clones": len(mine),
        "flagged": sum(1 for clone in mine if clone["flags"]),
        "bytes": sum(disk["size"] for disk in first["disks"]),
        "size": in_words(sum(disk["size"] for disk in first["disks"])),
    }


def clone_of(host: str, clone: Facts) -> Facts:
    return {**clone, "hypervisor": host, "flags": [flag for flag in FLAGS if clone.get(flag)]}


def channels_of(by_host: Mapping[str, Facts]) -> list[Facts]:
    """The channels, where each points on which hypervisor, and its moves, newest first."""
    moves = [
        {**change, "hypervisor": host}
        for host, image in by_host.items()
        for change in image["history"]
        if "channel" in change
    ]
    names = {move["channel"] for move in moves} | {name for image in by_host.values() for name in image["channels"]}
    found = []
    for name in sorted(names):
        points = {host: image["channels"].get(name) for host, image in by_host.items()}
        history = sorted((move for move in moves if move["channel"] == name), key=lambda move: str(move["created"]))
        found.append(
            {"name": name, "points": points, "agreed": len(set(points.values())) == 1, "history": history[::-1]}
        )
    return found


def drawing(name: str, versions: Sequence[Facts]) -> Facts:
    """The lineage as rows, newest first, and lanes, as *git log --graph* draws it.

    A version stands in the lane in which its newest child waits for it, else in the first that is free. All children
    of a version wait in one lane, so that a drawing is as wide as branches live side by side.
    """
    rows = {of["version"]: row for row, of in enumerate(versions)}
    lanes: list[str | None] = []
    nodes, edges = [], []
    for row, of in enumerate(versions):
        lane = lane_for(lanes, of["version"])
        lanes[lane] = None
        lineage = of["lineage"] or {}
        parent = lineage.get("version") if lineage.get("image") == name else None
        if parent in rows and rows[parent] > row:
            track = lanes.index(parent) if parent in lanes else lane
            lanes[track] = parent
            edges.append({"lane": lane, "row": row, "track": track, "to": rows[parent]})
        outside = f"{lineage['image']} {lineage['version']}" if lineage and parent not in rows else ""
        nodes.append({"lane": lane, "row": row, "state": of["state"], "outside": outside})
    return {"rows": len(versions), "lanes": len(lanes), "nodes": nodes, "edges": edges}


def lane_for(lanes: list[str | None], version: str) -> int:
    """The lane of the next version: where it is waited for, or a free one."""
    for wanted in (version, None):
        if wanted in lanes:
            return lanes.index(wanted)
    lanes.append(None)
    return len(lanes) - 1


def in_words(size: float) -> str:
    """A number of bytes as people write it."""
    for unit in UNITS:
        if size < 1024 or unit == UNITS[-1]:
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == UNITS[0] or size >= 10 else f"{size:.1f} {unit}"


def table(images: Sequence[Facts], hosts: int) -> list[str]:
    """The images as a table for job output: what is assigned or in use, and the newest versions."""
    rows: list[tuple[str, ...]] = [COLUMNS]
    for image in images:
        shown = [of for row, of in enumerate(image["versions"]) if row < NEWEST or of["channels"] or of["clones"]]
        rows += [row_of(image["name"], of, hosts) for of in shown]
        left = len(image["versions"]) - len(shown)
        rows += [(image["name"], f"… {left} more", *[""] * 6)] if left else []
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]


def row_of(image: str, of: Facts, hosts: int) -> tuple[str, ...]:
    flagged = f" ({of['flagged']} flagged)" if of["flagged"] else ""
    on = "all" if len(of["on"]) == hosts else ", ".join(of["on"])
    created = str(of["created"])[:16].replace("T", " ")
    clones = f"{of['clones']}{flagged}"
    return (image, of["version"], of["state"], ", ".join(of["channels"]), created, of["size"], clones, on)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"report": report}
