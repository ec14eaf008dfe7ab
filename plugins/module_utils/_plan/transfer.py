# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing versions from one pool to another: what is to come, and what is there already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._model import Version
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action, Plan


@dataclass(frozen=True)
class BringVersion(Action):
    """Bring a version from the pool *source* of another hypervisor. *bytes* is what its volumes have."""

    words: ClassVar[str] = "bring version"
    image: str
    version: str
    origin: str
    source: str
    pool: str
    volumes: tuple[str, ...]
    bytes: int
    manifest: Version = field(repr=False)
    protect: bool = field(default=True, repr=False)


def refuse_unfit(wanted: Version, doing: str) -> None:
    """Raise where a version, frozen in place, cannot be brought as it is."""
    built = [f"{disk.volume} is an overlay on {disk.backing}" for disk in wanted.disks if disk.backing]
    if built:
        raise Refused(doing, "it is not whole by itself", "Promote it with 'method: copy'.", obstacles=built)
    if wanted.undigested:
        reason = f"{', '.join(wanted.undigested)} is not digested yet, so nothing could tell that it arrives whole"
        raise Refused(doing, reason, "Promote its domain again, with 'checksum: now'.")


def plan_transfer(
    wanted: Version, there: Version | None, *, origin: str, source: str, pool: str, protect: bool = True
) -> Plan:
    """Bring *wanted*, unless it is *there*; *protect* it from others."""
    words = f"{wanted.image} {wanted.version}"
    if there is not None and there != wanted:
        raise Refused(
            f"bringing {words} to pool {pool}",
            "there is another version of that name, made from something else",
            "Versions never change: promote under another name, or delete the one that is there.",
        )
    if there is None:
        refuse_unfit(wanted, f"bringing {words} to pool {pool}")
    size = sum(part.size for part in wanted.parts)
    names = tuple(part.volume for part in wanted.parts)
    bring = BringVersion(wanted.image, wanted.version, origin, source, pool, names, size, wanted, protect)
    return Plan(
        item=words,
        actions=(bring,) if there is None else (),
        before={"volumes": list(names) if there else []},
        after={"volumes": list(names)},
        result={"image": wanted.image, "version": wanted.version, "volumes": list(names), "bytes": size},
    )
