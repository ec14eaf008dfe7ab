# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guest of a clone is told, and by what way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, ClassVar

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused
from ansible_collections.golden.libvirt.plugins.module_utils._plan.plan import Action
from ansible_collections.golden.libvirt.plugins.module_utils._seed import nocloud
from ansible_collections.golden.libvirt.plugins.module_utils._xml.domain import platform_of

NAME = "{name}"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOSTNAME = re.compile(rf"{LABEL}(?:\.{LABEL})*")
CREDENTIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
FIELDS = ("hostname", "fqdn", "ssh_keys", "user_data", "vendor_data", "network_config", "credentials")
SEEDED = ("user_data", "vendor_data", "network_config")
DOING = "preparing what the guest is told"
# How many clones a message names.
SAID = 3


@dataclass(frozen=True)
class Guest:
    """What a guest is told. *hostname* and *fqdn* may have ``{name}`` in them for the clone's name.

    *via* is cloud-init (a seed that it reads at first boot), credentials (which its systemd reads at each boot),
    offline (in its disks before it starts) or agent (after the start). *credentials* go along whatever the way. *said*
    is whether a user spoke of it, *seeded* whether there shall be a seed.
    """

    via: str
    hostname: str = NAME
    fqdn: str | None = None
    ssh_keys: tuple[str, ...] = ()
    user_data: str | None = field(default=None, repr=False)
    vendor_data: str | None = field(default=None, repr=False)
    network_config: Mapping[str, Any] | None = field(default=None, repr=False)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    said: bool = True
    seeded: bool = True

    def name_for(self, clone: str) -> str:
        """The host name, fully qualified where that is known; refused where it cannot be one."""
        name = self.called(clone)
        if not HOSTNAME.fullmatch(name):
            raise Refused(DOING, f"{name!r} cannot be a host name", "Set 'hostname' in 'customise'.")
        return name

    def called(self, clone: str) -> str:
        """What its user calls it, be that a host name or not; by default as the clone, ``-`` for what none has."""
        if self.fqdn is None and self.hostname == NAME:
            return re.sub(r"[^A-Za-z0-9.-]", "-", clone)
        return (self.fqdn or self.hostname).replace(NAME, clone)

    def seed(self, clone: str, instance: str) -> bytes:
        data = {"user-data": self.user_data, "vendor-data": self.vendor_data}
        return nocloud.seed(instance, self.name_for(clone), self.ssh_keys, data, self.network_config)

    def secrets(self, clone: str) -> dict[str, str]:
        """Its systemd's credentials by name (systemd.system-credentials(7))."""
        if self.via != "credentials":
            return dict(self.credentials)
        keys = {"ssh.authorized_keys.root": "".join(f"{key}\n" for key in self.ssh_keys)} if self.ssh_keys else {}
        return {"system.hostname": self.name_for(clone), **keys, **self.credentials}


@dataclass(frozen=True)
class CustomiseGuest(Action):
    """Tell a running guest its name and keys through its agent; *timeout* in seconds."""

    words: ClassVar[str] = "customise guest"
    settles: ClassVar[str] = "before"
    domain: str
    hostname: str
    ssh_keys: tuple[str, ...] = field(repr=False)
    timeout: int = field(repr=False)


@dataclass(frozen=True)
class CustomiseOffline(Action):
    """Write its name and keys into the disks of a domain that is off; *emulated* says that it has no KVM."""

    words: ClassVar[str] = "customise guest offline"
    domain: str
    uuid: str = field(repr=False)
    hostname: str
    ssh_keys: tuple[str, ...] = field(repr=False)
    emulated: bool = field(repr=False)


def told_offline(guest: Guest | None, clone: str, uuid: str, *, xml: str) -> tuple[CustomiseOffline, ...]:
    """What is written into the disks of a clone, a machine as in *xml*, where that is the way."""
    if guest is None or guest.via != "offline":
        return ()
    emulated = platform_of(xml).type == "qemu"
    return (CustomiseOffline(clone, uuid, guest.name_for(clone), guest.ssh_keys, emulated),)


def guest_for(
    asked: Mapping[str, Any] | None, first_boot: str, start: bool, hindrance: Callable[[], str] = str
) -> Guest | None:
    """What to tell a guest, or None for nothing. *first_boot* makes its identity at first boot, *hindrance* says what
    keeps its disks from being written to, if anything.

    Refuses, all at once, what the way to it cannot carry.
    """
    if asked is None:
        return Guest("cloud-init", said=False) if first_boot == "cloud-init" else None
    via = asked["via"] if asked["via"] != "auto" else "cloud-init" if first_boot == "cloud-init" else "agent"
    said = {name: value for name, value in asked.items() if name in FIELDS and value not in (None, [], {})}
    obstacles = [*not_carried(via, said, start), *not_understood(said)]
    obstacles += [why for why in [hindrance()] if why] if via == "offline" else []
    if obstacles:
        raise Refused(DOING, f"it cannot be told through {via}", "Change 'customise'.", obstacles=obstacles)
    seeded = asked.get("seed") != "absent"
    return Guest(via, **{**said, "ssh_keys": tuple(said.get("ssh_keys", ()))}, seeded=seeded)


def not_carried(via: str, said: Mapping[str, Any], start: bool) -> Iterator[str]:
    """What does not go the way that was chosen."""
    if via != "cloud-init":
        yield from (f"'{name}' needs cloud-init" for name in SEEDED if name in said)
    if via == "agent" and not start:
        yield "the agent answers in running guests only: set 'start'"


def not_understood(said: Mapping[str, Any]) -> Iterator[str]:
    """What no guest could make sense of."""
    for name in ("user_data", "vendor_data"):
        if name in said and not nocloud.is_user_data(said[name]):
            yield f"'{name}' begins with nothing that cloud-init knows, such as '#cloud-config'"
    for name, value in said.get("credentials", {}).items():
        if not isinstance(value, str):
            yield f"the credential {name!r} is no text: put it in quotes"
        if not CREDENTIAL.fullmatch(name):
            yield f"{name!r} cannot be the name of a credential: use letters, digits, '.', '_' and '-', at most 64"


def refuse_equal_names(guests: Mapping[str, Guest]) -> None:
    """Raise where several of the *guests* ({clone: what it is told}) would have the same host name."""
    clones: dict[str, list[str]] = {}
    for clone, guest in guests.items():
        clones.setdefault(guest.called(clone).lower(), []).append(clone)
    obstacles = [
        f"{name!r} would be the same in {len(there)} guests ({', '.join(there[:SAID])}{', …' if there[SAID:] else ''})"
        f": write '{NAME}' for the clone's name, or give them host names of their own in 'clones'"
        for name, there in clones.items()
        if len(there) > 1
    ]
    if obstacles:
        raise Refused(DOING, "their host names must differ", "Change 'customise'.", obstacles=obstacles)
