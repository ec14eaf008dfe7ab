# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones as hosts of an Ansible inventory: their names, variables and groups, and how they are reached."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ansible_collections.golden.libvirt.plugins.module_utils._model import Facts

ALL, OUTDATED = "golden_clones", "golden_outdated"


@dataclass(frozen=True)
class Host:
    """One host: *variables* and *groups* as the inventory has them."""

    name: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    groups: tuple[str, ...] = ()


def hosts_of(fleet: Mapping[str, Sequence[Facts]], labels: Mapping[str, str], connection: str) -> list[Host]:
    """The hosts for the clones found at each URI; *labels* are what the hypervisors are called.

    A name that several hypervisors have is followed by ``@`` and the hypervisor's, in all of them.
    """
    times = Counter(clone["name"] for clones in fleet.values() for clone in clones)

    def one(uri: str, clone: Facts) -> Host:
        label, name = labels[uri], clone["name"]
        return Host(
            name=name if times[name] == 1 else f"{name}@{label}",
            variables={
                **{f"golden_{'domain' if key == 'name' else key}": value for key, value in clone.items()},
                "golden_hypervisor": label,
                "golden_uri": uri,
                **reached(uri, clone, connection),
            },
            groups=tuple(group_name(group) for group in groups_of(label, clone)),
        )

    return [one(uri, clone) for uri, clones in fleet.items() for clone in clones]


def labels_of(uris: Iterable[str], here: str) -> dict[str, str]:
    """What the hypervisors are called: the machine that the URI names, else *here*; numbered where two are the same."""
    found: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for uri in dict.fromkeys(uris):
        machine = urlsplit(uri).hostname or here
        seen[machine] += 1
        found[uri] = machine if seen[machine] == 1 else f"{machine}-{seen[machine]}"
    return found


def groups_of(label: str, clone: Facts) -> list[str]:
    """The groups that a clone belongs to."""
    return [
        ALL,
        f"golden_image_{clone['image']}",
        f"golden_version_{clone['image']}_{clone['version']}",
        *([f"golden_channel_{clone['channel']}"] if clone["channel"] else []),
        f"golden_hypervisor_{label}",
        f"golden_state_{clone['state']}",
        *([OUTDATED] if clone["outdated"] else []),
    ]


def group_name(text: str) -> str:
    """*text* as Ansible takes it for a group."""
    return re.sub(r"[^A-Za-z0-9_]", "_", text)


def reached(uri: str, clone: Facts, connection: str) -> Facts:
    """The connection variables of a guest.

    Its agent runs things as root and without a HOME: a ``~`` would stay as it is, and mean one place here and another
    there.
    """
    if connection == "agent":
        return {
            "ansible_connection": "community.libvirt.libvirt_qemu",
            "ansible_host": clone["name"],
            "ansible_libvirt_uri": uri,
            "ansible_become": False,
            "ansible_remote_tmp": "/root/.ansible/tmp",
        }
    address = address_of(clone["addresses"])
    through = ssh_through(uri) if connection == "jump" else ""
    return {
        **({"ansible_host": address} if address else {}),
        **({"ansible_ssh_common_args": through} if through else {}),
    }


def address_of(addresses: Sequence[str]) -> str | None:
    """The address to use: the first of IPv4, else the first."""
    return next((address for address in addresses if ":" not in address), next(iter(addresses), None))


def ssh_through(uri: str) -> str:
    """The options that let ssh go through the hypervisor that *uri* leads to by ssh; none for another transport.

    A key or a program of its own that the URI names cannot be said with ProxyJump.
    """
    parts = urlsplit(uri)
    if not parts.hostname or "ssh" not in parts.scheme.partition("+")[2]:
        return ""
    said = dict(parse_qsl(parts.query))
    user = [f"{parts.username}@"] if parts.username else []
    if not {"command", "keyfile"} & set(said):
        port = [f":{parts.port}"] if parts.port else []
        return "-o ProxyJump=" + shlex.quote("".join([*user, parts.hostname, *port]))
    words = [said.get("command", "ssh"), "-W", "[%h]:%p"]
    words += ["-i", said["keyfile"]] if "keyfile" in said else []
    words += ["-p", str(parts.port)] if parts.port else []
    words.append("".join([*user, parts.hostname]))
    return "-o ProxyCommand=" + shlex.quote(" ".join(map(shlex.quote, words)))
