# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of a pool: what is there, which version a name or a channel means."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import replace

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import NotFound, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._image.journal import Journal
from ansible_collections.golden.libvirt.plugins.module_utils._image.manifest import bytes_of, version_in
from ansible_collections.golden.libvirt.plugins.module_utils._image.store import Store
from ansible_collections.golden.libvirt.plugins.module_utils._model import Image, State, Version


class Repository:
    """The images in one pool. Lists the pool once; reads a manifest or a journal record only when asked for it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.volumes = {name: found for name in store.names() if (found := names.parsed(name))}

    def names(self) -> list[str]:
        """The images that have a volume at least."""
        return sorted({found.image for found in self.volumes.values()})

    def versions(self, image: str) -> list[str]:
        """The names of an image's versions, complete or not, lowest number first."""
        return sorted({of.version for of in self.volumes.values() if of.image == image and of.version}, key=names.order)

    def volumes_of(self, image: str, version: str) -> list[str]:
        """The volumes that belong to a version by name, the manifest too."""
        wanted = (image, version)
        return sorted(name for name, of in self.volumes.items() if (of.image, of.version) == wanted)

    def find(self, image: str, version: str) -> Version | None:
        """The version, or None where there is no complete one of that name.

        Digests that were put off when it was made, and taken since, are in it: the journal has them.
        """
        volume = names.manifest_volume(image, version)
        found = version_in(self.store.download(volume), image, version) if volume in self.volumes else None
        if found is None or not found.undigested:
            return found
        taken = self.state(image).digests.get(version, {})
        disks = (disk if disk.sha256 else replace(disk, sha256=taken.get(disk.volume)) for disk in found.disks)
        return replace(found, disks=tuple(disks))

    def document(self, version: Version) -> bytes:
        """The manifest of a *version* as it was written, or with the digests that were taken since."""
        raw = self.store.download(names.manifest_volume(version.image, version.version)).rstrip(b"\0 \n") + b"\n"
        return raw if version_in(raw, version.image, version.version) == version else bytes_of(version)

    def state(self, image: str) -> State:
        """What the image's newest whole journal record says."""
        serials = [found.serial for found in self.volumes.values() if found.kind == "journal" and found.image == image]
        return Journal(self.store, image).newest(serials).state

    def image(self, name: str) -> Image:
        """An image with its complete versions; NotFound, naming near misses, where there is none."""
        names.check_image(name)
        if name not in self.names():
            raise self.missing(f"looking for image {name}", "image", name, self.names())
        there = {version: self.find(name, version) for version in self.versions(name)}
        return Image(
            name=name,
            versions=tuple(version for version, found in there.items() if found),
            unfinished=tuple(version for version, found in there.items() if not found),
            state=self.state(name),
        )

    def resolve(self, image: str, version: str | None = None, channel: str | None = None) -> Version:
        """The version that a name, or else a channel, means; NotFound, naming those that are there, or Refused.

        Says nothing about its state: callers that make new things from it ask state() too.
        """
        names.check_image(image)
        doing = f"looking for {image} {version}" if version else f"looking for {image}@{channel}"
        if image not in self.names():
            raise self.missing(doing, "image", image, self.names())
        if version is None:
            version = self.assigned(doing, image, channel)
        found = self.find(image, names.check_version(version))
        if found is None:
            raise self.missing(doing, "complete version", version, self.image(image).versions)
        return found

    def assigned(self, doing: str, image: str, channel: str | None) -> str:
        """The version that a channel points at."""
        if channel is None:
            raise Refused(doing, "neither a version nor a channel is named", "Set 'version' or 'channel'.")
        channels = self.state(image).channels
        if channel not in channels:
            raise self.missing(doing, "channel", channel, channels)
        return channels[channel]

    def missing(self, doing: str, noun: str, name: str, there: Collection[str]) -> NotFound:
        near = difflib.get_close_matches(name, there, 3, 0.5)
        known = ", ".join(near or sorted(there, key=names.order)[-8:]) or "none"
        return NotFound(
            doing,
            f"pool {self.store.name} has no {noun} {name}",
            f"{'Near' if near else 'There'}: {known}. See golden.libvirt.image_info for all.",
        )
