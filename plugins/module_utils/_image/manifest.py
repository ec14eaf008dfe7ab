# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A version's manifest: the volume that claims a version while it is made and, once filled, is the version.

The volume is one JSON object at every instant that matters: `{"golden": "claim" …blanks… , "claim": {…}}` while it is
held, and `{"golden": "manifest", …, "content": {…} …blanks… , "claim": {…}}` when complete. Filling writes the
front only, so that the holder stays readable whatever happens to the writer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._image.documents import content_of, head_of, padded
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Holder,
    Lineage,
    Sealed,
    Version,
    VersionDisk,
    VersionNvram,
)

TAIL = 1024
TAIL_MARK = b',"claim":'


def claim_bytes(holder: Holder, size: int) -> bytes:
    """The whole content of a claimed manifest volume of *size* bytes."""
    tail = TAIL_MARK + json.dumps(asdict(holder), sort_keys=True).encode()
    return padded(b'{"golden":"claim"', size - TAIL) + padded(tail, TAIL - 2) + b"}\n"


def front_bytes(version: Version, size: int) -> bytes:
    """What turns a claimed manifest volume of *size* bytes into the version: its content but for the claim's tail."""
    return padded(head_of("manifest", content_from(version)), size - TAIL)


def front_length(version: Version) -> int:
    return len(head_of("manifest", content_from(version)))


def holder_in(raw: bytes) -> Holder | None:
    """Who claimed the manifest volume with the content *raw*; None where nothing readable says so."""
    try:
        tail = raw[-TAIL:].decode()
        said = json.loads(tail[len(TAIL_MARK) :].rstrip()[:-1]) if tail.startswith(TAIL_MARK.decode()) else None
        return holder_from(said) if said else None
    except (ValueError, KeyError, TypeError):
        return None


def holder_from(said: Mapping[str, Any]) -> Holder:
    return Holder(str(said["host"]), str(said["boot"]), int(said["pid"]), str(said["started"]), int(said["until"]))


def version_in(raw: bytes) -> Version | None:
    """The version that a manifest volume's content says; None while it is only claimed or torn."""
    content = content_of("manifest", raw)
    return version_from(content) if content is not None else None


def content_from(version: Version) -> dict[str, Any]:
    """*version* as the manifest has it (docs/manifest.md)."""
    nvram = {"nvram": asdict(version.nvram)} if version.nvram else {}
    return {
        "image": version.image,
        "version": version.version,
        "created": version.created,
        "created_by": version.created_by,
        "description": version.description,
        "labels": dict(version.labels),
        "disks": [asdict(disk) for disk in version.disks],
        "firmware": {"type": version.firmware, **nvram},
        "domain": version.template,
        "sealed": asdict(version.sealed) if version.sealed else None,
        "lineage": asdict(version.lineage) if version.lineage else None,
        "recipe": version.recipe,
        "provenance": dict(version.provenance),
        "signature": None,
    }


def version_from(content: Mapping[str, Any]) -> Version:
    """The reverse of content_from."""
    firmware, sealed, lineage = content["firmware"], content["sealed"], content["lineage"]
    return Version(
        image=content["image"],
        version=content["version"],
        created=content["created"],
        created_by=content["created_by"],
        template=content["domain"],
        disks=tuple(VersionDisk(**disk) for disk in content["disks"]),
        firmware=firmware["type"],
        nvram=VersionNvram(**firmware["nvram"]) if firmware.get("nvram") else None,
        description=content["description"],
        labels=content["labels"],
        sealed=Sealed(sealed["method"], tuple(sealed["operations"]), sealed["first_boot"]) if sealed else None,
        lineage=Lineage(**lineage) if lineage else None,
        recipe=content["recipe"],
        provenance=content["provenance"],
    )
