# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the repository asks of a storage pool; _hypervisor.volumes.Pool gives it, and so does a test's dictionary."""

from __future__ import annotations

from typing import Protocol

from ansible_collections.golden.libvirt.plugins.module_utils._model import Volume


class Store(Protocol):
    """A pool of named volumes. Creating a raw volume is exclusive: of two that try, one gets AlreadyThere."""

    @property
    def name(self) -> str:
        """The pool's name."""

    def fresh_names(self) -> list[str]:
        """The names of all volumes, those that others have just made too."""

    def names(self) -> list[str]:
        """The names of all volumes as far as known."""

    def find(self, name: str) -> Volume | None:
        """The volume, or None where there is none of that name."""

    def create(self, xml: str, name: str) -> Volume:
        """Make a volume; AlreadyThere where the name is taken."""

    def upload(self, name: str, content: bytes) -> None:
        """Write at the start of a volume; what is beyond stays. Not atomic."""

    def download(self, name: str) -> bytes:
        """All bytes of a volume."""

    def delete(self, name: str) -> None:
        """Delete a volume, a protected one too; nothing where there is none."""

    def protect(self, name: str) -> None:
        """Keep others from changing a volume, as far as the hypervisor can; never an error."""
