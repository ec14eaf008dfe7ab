# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What snapshot_info tells of each snapshot, whoever took it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import domains
from ansible_collections.golden.libvirt.plugins.module_utils._model import Snapshot, SnapshotDisk
from ansible_collections.golden.libvirt.plugins.module_utils._plan import deletion, revertible
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey
from ansible_collections.golden.libvirt.plugins.module_utils._run.inward import looked_into
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.surveying import Surveyor
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params


def read(bench: Bench, params: Params) -> dict[str, Any]:
    """The snapshots of the domains named, or of all; a domain that is not there has none."""
    surveyor = Surveyor(bench)
    there = domains.names(bench.hypervisor)
    asked = there if params["domains"] is None else [name for name in params["domains"] if name in there]
    surveys = [survey for survey in (seen(surveyor, name) for name in asked) if survey]
    return {"snapshots": [facts(survey, snapshot) for survey in surveys for snapshot in survey.snapshots]}


def seen(surveyor: Surveyor, name: str) -> Survey | None:
    """The survey of a domain; None for one that went meanwhile."""
    try:
        survey = surveyor.survey(name, deleting=True)
        return looked_into(surveyor.hypervisor, survey) if survey.snapshots else survey
    except GoldenError:
        if domains.look_up(surveyor.hypervisor, name) is None:
            return None
        raise


def facts(survey: Survey, snapshot: Snapshot) -> dict[str, Any]:
    """One snapshot's facts."""
    not_revertable = revertible.obstacles_to(survey, snapshot, False, "shutoff" if survey.domain.off else "running")
    not_deletable = deletion.obstacles_to(survey, snapshot)
    return {
        "domain": snapshot.domain,
        "name": snapshot.name,
        "kind": snapshot.kind,
        "memory": snapshot.memory,
        "memory_file": snapshot.memory_file,
        "memory_size": allocated(survey, snapshot.memory_file),
        "state": snapshot.state,
        "consistency": snapshot.note.consistency or ("offline" if snapshot.state == "shutoff" else None),
        "created": datetime.fromtimestamp(snapshot.created, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "current": snapshot.current,
        "parent": snapshot.parent,
        "children": [child.name for child in survey.children(snapshot.name)],
        "label": snapshot.note.label,
        "description": snapshot.description,
        "tpm": snapshot.tpm,
        "nvram": snapshot.note.nvram or None,
        "disks": [disk_facts(survey, disk) for disk in snapshot.disks],
        "revertable": not not_revertable,
        "revert_obstacles": list(not_revertable),
        "deletable": not not_deletable,
        "delete_obstacles": list(not_deletable),
    }


def disk_facts(survey: Survey, disk: SnapshotDisk) -> dict[str, Any]:
    """*size* is what the file that holds the state takes; of an internal snapshot's part of it nobody can tell."""
    return {
        "target": disk.target,
        "kind": disk.kind,
        "file": disk.base,
        "size": allocated(survey, disk.base) if disk.kind == "external" else None,
        "overlay": disk.path,
    }


def allocated(survey: Survey, path: str | None) -> int | None:
    """The bytes that a file takes on disk; None where it is not there."""
    return survey.files[path].allocation if path and path in survey.files else None
