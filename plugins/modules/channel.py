#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: channel
short_description: Point a channel of an image at a version
version_added: "0.1.0"
description:
  - A channel is a named pointer to a version of an image, such as V(candidate) or V(stable). This module assigns
    channels to a version, or removes them.
  - Any number of runs, also on several hypervisors that share the pool's directory, may move channels at the same
    time. None of their changes is lost.
  - A revoked version is refused.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
  - golden.libvirt.image_pool
options:
  image:
    description: The image.
    type: str
    required: true
  names:
    description: The channels.
    type: list
    elements: str
    required: true
    aliases: [name]
  version:
    description:
      - The version that they shall point at. Required when O(state=present).
      - V(previous) brings each channel back to the version that it pointed at before it was last moved. A channel that
        was brought back already stays where it is. To go further back, name the version.
    type: str
  state:
    description: V(present) assigns the channels, V(absent) removes them.
    type: str
    choices: [present, absent]
    default: present
  expect_current:
    description:
      - The version that the channels must point at before, the empty string for none.
      - If somebody has moved one meanwhile, it stays where it is and the task fails. Not looked at where a channel
        points at O(version) already.
    type: str
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: golden.libvirt.image_info
  - module: golden.libvirt.promote
"""

EXAMPLES = r"""
- name: Make version 4 the stable one
  golden.libvirt.channel:
    image: web
    name: stable
    version: "4"

- name: Do it only if nobody else moved it from version 3
  golden.libvirt.channel:
    image: web
    name: stable
    version: "4"
    expect_current: "3"

- name: Bring a channel back to where it was, in one word
  golden.libvirt.channel:
    image: web
    name: stable
    version: previous

- name: Remove two channels
  golden.libvirt.channel:
    image: web
    names: [edge, nightly]
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample: [{"action": "assign channel", "image": "web", "channel": "stable", "version": "4", "pool": "golden"}]
channels:
  description: One entry per channel, in the order asked for.
  returned: always
  type: list
  elements: dict
  contains:
    item:
      description: The channel.
      type: str
    image:
      description: The image.
      type: str
    channel:
      description: The channel.
      type: str
    version:
      description: The version that it points at now, null for none.
      type: str
    previous:
      description: The version that it pointed at before, null for none.
      type: str
    changed:
      description: Whether it was moved.
      type: bool
    failed:
      description: Whether it could not be moved; RV(channels[].msg) says why.
      type: bool
    msg:
      description: What went wrong.
      returned: failure
      type: str
    actions:
      description: This channel's part of RV(actions).
      type: list
      elements: dict
"""

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL
from ansible_collections.golden.libvirt.plugins.module_utils._run.channel import CHANNEL
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb

SPEC = {
    **IMAGE_POOL,
    "image": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "required": True, "aliases": ["name"]},
    "version": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "expect_current": {"type": "str"},
}


def main() -> None:
    run_verb(SPEC, CHANNEL, required_if=[("state", "present", ["version"])])


if __name__ == "__main__":
    main()
