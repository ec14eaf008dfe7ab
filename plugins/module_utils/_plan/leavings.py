# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What snapshots of a clone have put beside its volumes: what goes with it, and what keeps it from going."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ansible_collections.golden.libvirt.plugins.module_utils._model import Volume
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey


@dataclass(frozen=True)
class Leavings:
    """*files* are those of the clone's *snapshots* (names) alone; *obstacles* are why they, or its volumes, are not."""

    files: tuple[Volume, ...] = ()
    snapshots: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    saved: bool = False


def leavings_of(survey: Survey, made: Collection[str]) -> Leavings:
    """*made* are the paths of the volumes that were made for the clone."""
    overlays = [disk.path for snapshot in survey.snapshots for disk in snapshot.disks if disk.kind == "external"]
    tops = [disk.path for disk in survey.domain.disks if disk.path and len(survey.chain(disk.path)) > 1]
    beside = [path for snapshot in survey.snapshots for path in (snapshot.memory_file, snapshot.note.nvram)]
    over = known(survey, [path for path in (*overlays, *tops) if path not in made])
    ours = [path for path in over if any(base in made for base in survey.chain(path)[1:])]
    files = known(survey, [*ours, *beside])
    return Leavings(
        files=tuple(survey.files[path] for path in files),
        snapshots=tuple(snapshot.name for snapshot in survey.snapshots),
        obstacles=(
            *foreign(survey, [path for path in over if path in overlays and path not in ours]),
            *needed(survey, {*made, *files}),
        ),
        saved=survey.saved,
    )


def known(survey: Survey, paths: Collection[str | None]) -> list[str]:
    """Each of *paths* that is a file, once."""
    return [path for path in dict.fromkeys(paths) if path and path in survey.files]


def foreign(survey: Survey, overlays: Collection[str]) -> Iterator[str]:
    """Disks that were not made for the clone but are in its snapshots: their newest bytes are in an overlay."""
    for path in overlays:
        yield f"{path} is a snapshot's, of a disk that was not made for {survey.domain.name}: delete the snapshot first"


def needed(survey: Survey, paths: Collection[str]) -> Iterator[str]:
    """Who else needs one of *paths*."""
    for path in sorted(paths):
        if path in survey.others:
            yield f"domain {survey.others[path]} uses {path}"
        for overlay in survey.overlays_on(path):
            if overlay not in paths:
                yield f"{overlay} is built on {path}"
