# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A version's manifest: the document that makes a version's volumes a version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._image.documents import (
    canonical,
    content_of,
    document,
    reading,
)
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Lineage,
    Sealed,
    Version,
    VersionDisk,
    VersionNvram,
)


def bytes_of(version: Version) -> bytes:
    """The manifest of *version*."""
    return document("manifest", content_from(version))


def signed_bytes(version: Version) -> bytes:
    """What a signature of *version* signs: the content of its manifest, in its one spelling, with a null signature.

    They are made anew from what a reader understood, so that nothing unsigned is ever acted on. A key that is added to
    the manifest must be left out where it says nothing, or older signatures break.
    """
    return canonical(content_from(replace(version, signature=None))).encode()


def version_in(raw: bytes, image: str, version: str) -> Version | None:
    """The version that the content of its manifest volume says; None while it is empty or torn, or another one's.

    Raises GoldenError where it is none that a golden.libvirt wrote, or takes other files for its own.
    """
    content = content_of("manifest", raw)
    if content is None:
        return None
    with reading(f"manifest {image} {version}"):
        if (content["image"], content["version"]) != (image, version):
            return None
        found = version_from(content)
        for volume in foreign_to(found):
            raise ValueError(f"{volume} is no volume of it")
    return found


def foreign_to(version: Version) -> Iterator[str]:
    """Those of its volumes that are not called as such. Their names are all that keeps a manifest from meaning any file
    that can be reached from the pool."""
    for part in version.parts:
        named = names.parsed(part.volume)
        if named is None or (named.image, named.version) != (version.image, version.version):
            yield part.volume
    for disk in version.disks:
        below = names.parsed(disk.backing) if disk.backing else None
        if disk.backing and (below is None or below.kind != "disk"):
            yield disk.backing


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
        "signature": version.signature,
    }


def facts(version: Version) -> dict[str, Any]:
    """*version* as modules return it: the manifest without the witness and the domain XML, which may hold secrets."""
    said = {name: value for name, value in content_from(version).items() if name != "domain"}
    return {**said, "provenance": {name: of for name, of in version.provenance.items() if name != "witness"}}


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
        signature=content["signature"],
    )
