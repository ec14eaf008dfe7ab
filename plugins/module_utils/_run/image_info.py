# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What image_info tells: images, versions, channels."""

from __future__ import annotations

from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._image import manifest
from ansible_collections.golden.libvirt.plugins.module_utils._image.repository import Repository
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params


def read(bench: Bench, params: Params) -> dict[str, Any]:
    """The images asked for, or all; one that is not there is left out."""
    repository = Repository(bench.pool(params["image_pool"]))
    asked = [names.check_image(name) for name in params["images"] or repository.names()]
    return {"images": [facts(repository, name) for name in asked if name in repository.names()]}


def facts(repository: Repository, name: str) -> dict[str, Any]:
    """One image's facts."""
    state = repository.state(name)
    found = {version: repository.find(name, version) for version in repository.versions(name)}
    return {
        "name": name,
        "versions": [
            {**manifest.facts(version), "state": "active", **state.states.get(version.version, {})}
            for version in found.values()
            if version
        ],
        "channels": dict(state.channels),
        "history": [dict(change) for change in state.history],
        "claims": [{"version": version} for version, whole in found.items() if not whole],
    }
