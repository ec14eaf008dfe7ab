# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb channel: where an image's channels point."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._image import holder
from ansible_collections.golden.libvirt.plugins.module_utils._image.journal import Journal
from ansible_collections.golden.libvirt.plugins.module_utils._plan import channel
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Plan
from ansible_collections.golden.libvirt.plugins.module_utils._run.perform import Bench, Undo, perform
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Params, Planned, Verb, guarded


def plan(bench: Bench, params: Params) -> Sequence[Planned]:
    """One plan per channel named."""
    image, pool, expected = names.check_image(params["image"]), params["image_pool"], params["expect_current"]
    repository, version = bench.repository(pool), params["version"]
    if params["state"] == "present" and version != names.PREVIOUS:
        repository.resolve(image, version=version)
    state = repository.state(image)

    def one(name: str) -> Plan:
        names.check_channel(name)
        if params["state"] == "absent":
            return channel.plan_channel(channel.RemoveChannel(image, name, pool, expected), state)
        if version != names.PREVIOUS:
            return channel.plan_channel(channel.AssignChannel(image, name, version, pool, expected), state)
        move = channel.back(image, name, pool, expected, state)
        repository.resolve(image, version=move.version)
        return channel.plan_channel(move, state)

    return guarded(params["names"], one)


@perform.register(channel.AssignChannel)
@perform.register(channel.RemoveChannel)
def move(action: channel.Move, bench: Bench) -> Undo:
    by = {"created": holder.now(), "by": holder.who()}
    Journal(bench.pool(action.pool), action.image).change(lambda state: channel.moved(state, action, by))
    return None


CHANNEL = Verb("channels", plan)
