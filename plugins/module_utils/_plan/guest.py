# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest of a clone is told, and by what way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action
from ansible_collections.golden.libvirt.plugins.module_utils._seed import nocloud

NAME = "{name}"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOSTNAME = re.compile(rf"{LABEL}(?:\.{LABEL})*")
DOING = "preparing what the guest is told"


@dataclass(frozen=True)
class Guest:
    """What the guests of a task are told. *hostname* and *fqdn* may have ``{name}`` in them for the clone's name.

    *via* is cloud-init (a seed that it reads at first boot) or agent (after the start).
    """

    via: str
    hostname: str = NAME
    fqdn: str | None = None
    ssh_keys: tuple[str, ...] = ()
    user_data: str | None = field(default=None, repr=False)
    network_config: Mapping[str, Any] | None = field(default=None, repr=False)

    def name_for(self, clone: str) -> str:
        """The host name, fully qualified where that is known; refused where it cannot be one."""
        name = (self.fqdn or self.hostname).replace(NAME, clone)
        if self.fqdn is None and self.hostname == NAME:
            name = re.sub(r"[^A-Za-z0-9.-]", "-", name)
        if not HOSTNAME.fullmatch(name):
            raise Refused(DOING, f"{name!r} cannot be a host name", "Set 'hostname' in 'customise'.")
        return name

    def seed(self, clone: str, instance: str) -> bytes:
        return nocloud.seed(instance, self.name_for(clone), self.ssh_keys, self.user_data, self.network_config)


@dataclass(frozen=True)
class CustomiseGuest(Action):
    """Tell a running guest its name and keys through its agent; *timeout* in seconds."""

    words: ClassVar[str] = "customise guest"
    settles: ClassVar[str] = "before"
    domain: str
    hostname: str
    ssh_keys: tuple[str, ...] = field(repr=False)
    timeout: int = field(repr=False)


def guest_for(asked: Mapping[str, Any] | None, first_boot: str, clones: Sequence[str], start: bool) -> Guest | None:
    """What to tell the guests of *clones*, or None for nothing. *first_boot* makes their identity at first boot.

    Refuses, all at once, what the way to them cannot carry or what would make them equal.
    """
    if asked is None:
        return Guest("cloud-init") if first_boot == "cloud-init" else None
    via = asked["via"] if asked["via"] != "auto" else "cloud-init" if first_boot == "cloud-init" else "agent"
    said = {name: value for name, value in asked.items() if name != "via" and value not in (None, [])}
    obstacles = []
    if via == "agent":
        obstacles += [f"'{name}' needs cloud-init" for name in ("user_data", "network_config") if name in said]
        obstacles += [] if start else ["the agent answers in running guests only: set 'start'"]
    if "user_data" in said and not nocloud.is_user_data(said["user_data"]):
        obstacles.append("'user_data' begins with nothing that cloud-init knows, such as '#cloud-config'")
    for name in ("hostname", "fqdn"):
        if name in said and NAME not in said[name] and len(clones) > 1:
            obstacles.append(f"'{name}' would be the same in {len(clones)} guests: write '{NAME}' for the clone's name")
    if obstacles:
        raise Refused(DOING, f"it cannot be told through {via}", "Change 'customise'.", obstacles=obstacles)
    return Guest(via, **{**said, "ssh_keys": tuple(said.get("ssh_keys", ()))})
