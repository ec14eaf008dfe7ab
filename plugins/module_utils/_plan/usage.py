# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses which file, and what is built on what: what must be known before a file is deleted or written to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ansible_collections.golden.libvirt.plugins.module_utils._model import Volume


@dataclass(frozen=True)
class Usage:
    """*files* holds, by path, the volumes of all pools and whatever disks consist of; *users* the domains that have a
    disk at a path: as they are defined, as they run, or in their snapshots."""

    files: Mapping[str, Volume] = field(default_factory=dict)
    users: Mapping[str, Collection[str]] = field(default_factory=dict)

    @cached_property
    def overlays(self) -> dict[str, list[str]]:
        """The files that are built directly on a path."""
        found: dict[str, list[str]] = {}
        for path, file in sorted(self.files.items()):
            found.setdefault(file.backing or "", []).append(path)
        return found

    def above(self, path: str) -> list[str]:
        """*path* and all that is built on it."""
        found = [path]
        for base in found:
            found += [overlay for overlay in self.overlays.get(base, []) if overlay not in found]
        return found

    def others(self, domain: str, paths: Collection[str]) -> dict[str, str]:
        """Which other domain than *domain* uses each of *paths*, where one does."""
        found = {path: sorted(set(self.users.get(path, ())) - {domain}) for path in paths}
        return {path: names[0] for path, names in found.items() if names}
