# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which internal snapshots a domain's files really hold: libvirt's list and the files can differ."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor import inside
from ansible_collections.golden.libvirt.plugins.module_utils._hypervisor.connection import Hypervisor
from ansible_collections.golden.libvirt.plugins.module_utils._plan.survey import Survey


def looked_into(hypervisor: Hypervisor, survey: Survey) -> Survey:
    """The survey with what is inside the files that the domain writes to, unless all its snapshots are external."""
    if survey.snapshots and all(snapshot.kind == "external" for snapshot in survey.snapshots):
        return survey
    paths = {disk.path for disk in survey.domain.written_disks}
    own = [volume for path, volume in survey.files.items() if path in paths]
    return replace(survey, inside=inside.snapshots_by_path(hypervisor, own))
