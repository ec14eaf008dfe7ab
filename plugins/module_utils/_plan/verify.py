# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with volumes of versions: what was found of them against what their manifests say."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Union

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    State,
    Version,
    VersionDisk,
    VersionNvram,
    Volume,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan.states import ABSENT
from ansible_collections.golden.libvirt.plugins.module_utils._xml.volume import FROZEN

Part = Union[VersionDisk, VersionNvram]

TAMPERED, TRUNCATED, MISSING, FOREIGN, UNREADABLE = "tampered", "truncated", "missing", "foreign", "unreadable"
MODE, OWNER, UNTRUSTED = "mode", "owner", "untrusted"
UNDIGESTED, UNPROTECTED = "undigested", "unprotected"

REPLACE = (
    "Revoke the version (golden.libvirt.image). Where another pool has it whole, delete it here and bring it from "
    "there (golden.libvirt.transfer); else promote anew."
)


@dataclass(frozen=True)
class Finding:
    """What is not as it should be with a *volume*, in a word (*finding*) and in words (*text*), and what to *do*.

    A *note* is nothing wrong: it is what could be better, or could not be looked into.
    """

    volume: str
    finding: str
    text: str
    do: str
    note: bool = False


@dataclass(frozen=True)
class Seen:
    """A version's volume as it was found; None where it is missing.

    *digest* is None where it was not taken, because the size or the kind tells already; *unread* says why it could not
    be. *link* is where a symbolic link in its place leads. *immutable* is None where that cannot be had. *stray* is
    the first file below it that no manifest names.
    """

    volume: Volume | None
    digest: str | None = None
    unread: str = ""
    link: str | None = None
    immutable: bool | None = None
    stray: str | None = None


def findings_of(part: Part, seen: Seen, owner: int | None) -> Iterator[Finding]:
    """What is to be said of one volume. *owner* is whose it should be, None where nothing tells."""
    name, volume = part.volume, seen.volume
    if volume is None:
        yield Finding(name, MISSING, f"{name} is missing", REPLACE)
        return
    yield from content_findings(part, volume, seen)
    if volume.mode != FROZEN:
        yield Finding(
            name,
            MODE,
            f"{name} has mode {volume.mode} instead of {FROZEN}",
            f"On the hypervisor: chmod {FROZEN} {volume.path}",
        )
    if owner is not None and volume.owner not in (owner, None):
        # Where nothing keeps libvirt from it, every start of a clone does this.
        text = f"{name} belongs to user {volume.owner} instead of {owner}, so that one may change it"
        yield Finding(name, OWNER, text, f"On the hypervisor: chown {owner} {volume.path}", note=seen.immutable is None)
    if seen.stray:
        text = f"{name} is an overlay of {seen.stray}, which no manifest names"
        yield Finding(name, FOREIGN, text, REPLACE)
    if seen.immutable is None:
        text = f"{name} is protected by its mode only: the immutable flag cannot be had from here"
        yield Finding(name, UNPROTECTED, text, "Nothing, where it was promoted so on purpose.", note=True)
    elif not seen.immutable:
        text = f"{name} is protected by its mode only: it is not immutable"
        yield Finding(name, UNPROTECTED, text, f"On the hypervisor, as root: chattr +i {volume.path}", note=True)


def content_findings(part: Part, volume: Volume, seen: Seen) -> Iterator[Finding]:
    """Whether its bytes are those that were promoted."""
    name, sizes = part.volume, f"{volume.size} bytes instead of {part.size}"
    if seen.link is not None:
        yield Finding(name, TAMPERED, f"{name} is a symbolic link to {seen.link}, not a file of the pool", REPLACE)
    elif volume.size < part.size:
        yield Finding(name, TRUNCATED, f"{name} has {sizes}", REPLACE)
    elif volume.size > part.size:
        yield Finding(name, TAMPERED, f"{name} has {sizes}", REPLACE)
    elif seen.unread:
        yield Finding(name, UNREADABLE, f"{name} could not be read: {seen.unread}", "Check the pool's file system.")
    elif not part.sha256:
        text = f"{name} has no digest yet, so that nobody can tell whether it was changed"
        yield Finding(name, UNDIGESTED, text, "Promote its domain with this version's name.", note=True)
    elif seen.digest != part.sha256:
        yield Finding(name, TAMPERED, f"{name} has another content than was promoted", REPLACE)


def distrust(version: Version, reason: str) -> tuple[Finding, ...]:
    """That nobody who is trusted has signed a version."""
    return (Finding(names.manifest_volume(version.image, version.version), UNTRUSTED, reason, REPLACE),)


def strangers(
    volumes: Collection[str], named: Collection[str], states: Mapping[str, State], directory: str
) -> Iterator[Finding]:
    """Volumes of a pool at *directory* under the names of images that are none of theirs.

    *named* are those of complete versions. What somebody is making, and what is to be deleted, the journals name.
    """
    for name in volumes:
        found, path = names.parsed(name), posixpath.join(directory, name)
        if not name.startswith(names.PREFIX) or name in named or (found and found.kind == "journal"):
            continue
        state = states.get(found.image, State()) if found else State()
        if found and (found.version in state.claims or state.states.get(found.version, {}).get("state") == ABSENT):
            continue
        if found and found.kind == "manifest":
            yield Finding(
                name,
                TAMPERED,
                f"{name} is no whole manifest of version {found.version}, which is not there without",
                "Put it back from a copy of the pool; or promote anew and let golden.libvirt.prune remove the rest.",
            )
        else:
            text = f"{name} is named by no manifest and no journal"
            yield Finding(name, FOREIGN, text, f"Find out what it is; move it away, or delete it: {path}")
