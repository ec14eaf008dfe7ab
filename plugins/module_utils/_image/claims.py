# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Claims: who may make a version, and making it visible at one instant.

A version is claimed by a record in the image's journal, so of several who want it one gets it. The record says which
process on which machine holds the claim, and until when: the claim of a dead one is taken over in the same way. Only
the holder touches the version's volumes. Its manifest volume is created first, empty, and written once, last: from
the moment that this is whole the version exists.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Callable

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._errors import (
    AlreadyThere,
    GoldenError,
    NotFound,
    Overtaken,
)
from ansible_collections.golden.libvirt.plugins.module_utils._image import documents, manifest
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder as holders
from ansible_collections.golden.libvirt.plugins.module_utils._image.journal import Clock, Journal
from ansible_collections.golden.libvirt.plugins.module_utils._image.store import Store
from ansible_collections.golden.libvirt.plugins.module_utils._model import Holder, State, Version
from ansible_collections.golden.libvirt.plugins.module_utils._xml.volume import new_volume

# A lease with less left than this is renewed before a version is made visible.
MARGIN_SECONDS = 600


class Claims:
    """The claims of *me* on versions of an *image*. *alive* tells whether another holder may still be working."""

    def __init__(
        self,
        store: Store,
        image: str,
        me: Holder,
        clock: Clock = Clock(),  # noqa: B008
        alive: Callable[[Holder], bool] = holders.alive,
    ) -> None:
        self.store = store
        self.image = image
        self.me = me
        self.clock = clock
        self.alive = alive
        self.journal = Journal(store, image, clock)

    def take(self, version: str, length: int) -> None:
        """Claim *version*, whose manifest will be about *length* bytes; a dead holder's claim is taken over.

        Raises Overtaken where somebody else holds it or it is complete.
        """
        self.journal.change(lambda state: self.claimed(state, version))
        try:
            self.make_room(self.volume(version), documents.room_for(length))
        except BaseException:
            self.release(version)
            raise

    def claimed(self, state: State, version: str) -> State | None:
        """*state* with the claim on *version* mine, None where it is; Overtaken where it is not to be had."""
        if self.complete(version):
            raise self.overtaken(version, "it has been completed meanwhile")
        current = state.claims.get(version)
        if current == self.me:
            return None
        if current and self.alive(current):
            raise self.overtaken(version, f"it is being made by {holders.described(current)}")
        digests = {of: taken for of, taken in state.digests.items() if of != version}  # of a version that is gone
        return replace(state, claims={**state.claims, version: self.me}, digests=digests)

    def make_room(self, volume: str, size: int) -> None:
        """An empty manifest volume of at least *size* bytes; what a dead holder left there may do."""
        left = self.store.find(volume)
        if left and left.size < size:
            self.store.delete(volume)
        with suppress(AlreadyThere):
            self.store.create(new_volume(volume, size, "raw"), volume)

    def commit(self, version: Version, document: bytes = b"", *, protect: bool = True) -> None:
        """Make a claimed version visible and give the claim up; Overtaken where the claim is not mine any more.

        *document* is its manifest, where that was written before. Where this raises the version is not visible.
        *protect* has the store keep others from changing it: not before, since a run that takes a claim over may
        have to.
        """
        volume = self.volume(version.version)
        self.journal.change(lambda state: self.renewed(state, version.version))
        try:
            size = len(self.store.download(volume))
            self.store.upload(volume, documents.padded(document or manifest.bytes_of(version), size))
            self.check(version)
        except BaseException:
            self.store.delete(volume)
            raise
        for name in (*(part.volume for part in version.parts), volume) if protect else ():
            self.store.protect(name)
        with suppress(GoldenError):  # a claim on what is complete says nothing
            self.journal.change(lambda state: self.dropped(state, version.version))

    def check(self, version: Version) -> None:
        volume = self.volume(version.version)
        if manifest.version_in(self.store.download(volume), self.image, version.version) != version:
            raise GoldenError(
                f"writing the manifest of {self.image} {version.version}",
                f"volume {volume} reads otherwise than it was written",
                "Check the pool's file system.",
            )

    def renewed(self, state: State, version: str) -> State | None:
        """*state* with a new lease where mine is about to end; Overtaken where the claim is somebody else's."""
        current = state.claims.get(version)
        if current != self.me:
            raise self.overtaken(
                version, f"it was taken over by {holders.described(current) if current else 'another run'}"
            )
        now = int(self.clock.now())
        if current.until - now > MARGIN_SECONDS:
            return None
        return replace(state, claims={**state.claims, version: replace(current, until=now + holders.LEASE_SECONDS)})

    def holds(self, version: str) -> bool:
        """Whether the claim on *version* is mine."""
        return self.journal.settled()[1].state.claims.get(version) == self.me

    def release(self, version: str) -> None:
        """Give my claim up and what it holds of the manifest; nothing where it is not mine."""
        if self.holds(version):
            if not self.complete(version):
                self.store.delete(self.volume(version))
            self.journal.change(lambda state: self.dropped(state, version))

    def dropped(self, state: State, version: str) -> State | None:
        if state.claims.get(version) != self.me:
            return None
        return replace(state, claims={of: holder for of, holder in state.claims.items() if of != version})

    def complete(self, version: str) -> bool:
        with suppress(NotFound):
            return manifest.version_in(self.store.download(self.volume(version)), self.image, version) is not None
        return False

    def volume(self, version: str) -> str:
        return names.manifest_volume(self.image, version)

    def overtaken(self, version: str, reason: str) -> Overtaken:
        return Overtaken(
            f"claiming version {version} of {self.image}",
            reason,
            "Let that run end and run this again, or name another version.",
        )
