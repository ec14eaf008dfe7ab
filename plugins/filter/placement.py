# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: placement
short_description: Decide which hypervisors the clones of one list of names go to
version_added: "0.1.0"
description:
  - Takes what M(golden.libvirt.image_info) returned on several hypervisors, and returns what each of them shall be
    asked to make with M(golden.libvirt.clone), so that each name is on one of them.
  - A clone that is there stays where it is. New ones come only to hypervisors that have the version, and not revoked.
  - The same facts give the same result. The role P(golden.libvirt.clones#role) uses it.
author:
  - The golden.libvirt developers (@golden-libvirt)
options:
  _input:
    description:
      - What M(golden.libvirt.image_info) returned, by the hypervisor's name. Those with none of it count as not read.
    type: dict
    required: true
  names:
    description: As O(golden.libvirt.clone#module:names).
    type: list
    elements: str
    default: []
  clones:
    description: As O(golden.libvirt.clone#module:clones).
    type: list
    elements: dict
    default: []
  image:
    description: The image that clones are struck from.
    type: str
    required: true
  version:
    description: Its version. Without one, it is what O(channel) points at.
    type: str
  channel:
    description: The channel. It must not point at different versions on the hypervisors that new clones could be on.
    type: str
  by:
    description:
      - What new clones are spread by. With V(count), each goes to where the fewest of the list are, and of these to
        where the fewest domains are.
      - With V(memory), each goes to where the most memory is free. None is put where there is not enough.
    type: str
    choices: [count, memory]
    default: count
  map:
    description: The hypervisors of single clones, by their names or patterns. They win, and are checked.
    type: dict
    default: {}
  memory:
    description: The MiB that each clone takes, if not the version's.
    type: int
    default: 0
  hypervisors:
    description: All hypervisors that clones may be on. Those that are not in the input were not read.
    type: list
    elements: str
    default: []
  unreachable:
    description:
      - What to do where one was not read, so that a new clone may be there already. V(fail) refuses to make it, V(warn)
        makes it elsewhere.
    type: str
    choices: [fail, warn]
    default: fail
"""

EXAMPLES = r"""
- name: Read what the hypervisors have
  golden.libvirt.image_info:
    image: web
  register: there

- name: Make this one's share of forty
  golden.libvirt.clone:
    image: web
    channel: stable
    names: "{{ share.hypervisors[inventory_hostname].names }}"
  vars:
    told: "{{ dict(ansible_play_hosts | zip(ansible_play_hosts | map('extract', hostvars, 'there'))) }}"
    share: >-
      {{ told | golden.libvirt.placement(names=['web-{01..40}'], image='web', channel='stable',
                                         hypervisors=ansible_play_hosts_all) }}
"""

RETURN = r"""
_value:
  description:
    - RV(ignore:hypervisors), the C(names) and C(clones) of each hypervisor; RV(ignore:where), the hypervisors of each
      name; RV(ignore:several), the names that are on several; RV(ignore:notes), what is not as it may be expected, in
      words; RV(ignore:refused), why nothing may be made, if anything.
  type: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError, Refused
from ansible_collections.golden.libvirt.plugins.module_utils._names import expanded
from ansible_collections.golden.libvirt.plugins.module_utils._plan.placement import (
    Asked,
    Placement,
    hypervisor_of,
    place,
)

Facts = dict[str, Any]


def placement(
    told: Mapping[str, Facts],
    *,
    names: Sequence[str] = (),
    clones: Sequence[Facts] = (),
    image: str = "",
    version: str = "",
    channel: str = "",
    by: str = "count",
    map: Mapping[str, str] | None = None,
    memory: int = 0,
    hypervisors: Sequence[str] = (),
    unreachable: str = "fail",
) -> Facts:
    """What each hypervisor is asked to make."""
    read = {name: facts for name, facts in told.items() if "hypervisor" in facts}
    try:
        own = settings_of(names, clones)
        asked = Asked(
            names=tuple(own),
            by=by,
            pinned={name: place for pattern, place in (map or {}).items() for name in expanded(pattern)},
            memory={name: int(of.get("memory") or memory) for name, of in own.items()},
            unread=[name for name in dict.fromkeys((*hypervisors, *told)) if name not in read],
            strict=unreachable == "fail",
        )
    except GoldenError as err:
        return result(read, {}, Placement({}, refused=(str(err),)))
    found = place(asked, [hypervisor_of(name, facts, image, version, channel) for name, facts in read.items()])
    return result(read, own, found)


def settings_of(names: Sequence[str], clones: Sequence[Facts]) -> dict[str, Facts]:
    """The settings of each clone's own, by its name, patterns written out; in the order asked for."""
    found: dict[str, Facts] = {name: {} for pattern in names for name in expanded(pattern)}
    for item in clones:
        for name in expanded(item["name"]):
            if name in found:
                raise Refused("placing the clones", f"{name} is asked for twice", "Name each clone once.")
            found[name] = {**item, "name": name}
    return found


def result(read: Mapping[str, Facts], own: Mapping[str, Facts], found: Placement) -> Facts:
    shares = {hypervisor: [name for name, on in found.where.items() if hypervisor in on] for hypervisor in read}
    return {
        "hypervisors": {
            hypervisor: {
                "names": [name for name in share if not own[name]],
                "clones": [own[name] for name in share if own[name]],
            }
            for hypervisor, share in shares.items()
        },
        "where": {name: list(on) for name, on in found.where.items()},
        "several": [name for name, on in found.where.items() if len(on) > 1],
        "notes": list(found.notes),
        "refused": list(found.refused),
    }


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"placement": placement}
