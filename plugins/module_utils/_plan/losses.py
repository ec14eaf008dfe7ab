# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes when a domain goes back to a snapshot."""

from __future__ import annotations

from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._model import Snapshot, Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey


def abandoned(survey: Survey, snapshot: Snapshot) -> tuple[Volume, ...]:
    """The files that the domain writes to now and that nothing needs when it no longer does."""
    targets = {disk.target for disk in snapshot.external_disks}
    tops = [disk.path for disk in survey.domain.disks if disk.target in targets and disk.path]
    return tuple(
        survey.files[path]
        for path in tops
        if path in survey.files
        and path not in survey.others
        and not survey.freezing(path)
        and not survey.overlays_on(path)
    )


def ours(survey: Survey, volume: Volume) -> bool:
    """Whether a file was made as the overlay of one of the domain's snapshots."""
    return any(disk.path == volume.path for snapshot in survey.snapshots for disk in snapshot.disks)


def discarded(survey: Survey, snapshot: Snapshot) -> list[dict[str, Any]]:
    """The disks whose later data goes: from where, and how many bytes, which of internal ones nobody can tell."""
    if snapshot.kind == "internal":
        return [loss(survey, disk.target, disk.base, False) for disk in snapshot.disks if disk.kind == "internal"]
    lost = {volume.path for volume in abandoned(survey, snapshot)}
    return [loss(survey, disk.target, disk.path, True) for disk in survey.domain.disks if disk.path in lost]


def loss(survey: Survey, target: str, path: str | None, whole: bool) -> dict[str, Any]:
    """What a disk loses: the *whole* file, or a part of it."""
    size = survey.files[path].allocation if path and path in survey.files else None
    return {"disk": target, "file": path, "bytes": size if whole else None, "at_most": size}
