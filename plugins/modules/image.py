#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image
short_description: Deprecate, revoke, restore and delete versions of an image
version_added: "0.1.0"
description:
  - Says what versions of an image are. Who clones from a deprecated one is warned; from a revoked one nothing new can
    be cloned. Both are told the reason. Clones that are there go on as they were.
  - A version that anything depends on is never deleted. All that does is named - domains and files of this hypervisor
    that are built on it, whatever made them, versions that were built from it, channels that point at it. Nor is the
    last version of an image.
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
  versions:
    description: The versions.
    type: list
    elements: str
    required: true
    aliases: [version]
  state:
    description:
      - V(active) restores them, V(deprecated) and V(revoked) hold new clones back, V(absent) deletes them.
      - The name of a version that was deleted is not given to another one.
    type: str
    choices: [active, deprecated, revoked, absent]
    required: true
  reason:
    description:
      - Why. Whoever clones is told. Required when O(state=deprecated) or O(state=revoked).
    type: str
  date:
    description:
      - From when on it holds, as C(2026-12-31) or C(2026-12-31T23:59:59Z), in UTC. From now on by default.
      - Until a date that is to come the version stays active, and who clones from it is warned. So it is refused for
        one that is deprecated or revoked now.
    type: str
  cascade:
    description:
      - Whether to say it of all versions, of whatever image in this pool, that were built from these, too.
      - What was said of such a version itself is not lessened. V(active) takes back only what came from these.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: golden.libvirt.image_info
  - module: golden.libvirt.channel
  - module: golden.libvirt.prune
  - module: golden.libvirt.prune
"""

EXAMPLES = r"""
- name: Revoke a version and all that was built from it
  golden.libvirt.image:
    image: base
    version: "12"
    state: revoked
    reason: CVE-2026-0001 in openssl
    cascade: true

- name: Say that versions will go
  golden.libvirt.image:
    image: web
    versions: ["3", "4"]
    state: deprecated
    reason: use web@stable
    date: "2026-12-31"

- name: Restore a version
  golden.libvirt.image:
    image: web
    version: "4"
    state: active

- name: Delete a version
  golden.libvirt.image:
    image: web
    version: "2"
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample: [{"action": "set state", "image": "web", "version": "2", "state": "revoked", "reason": "leaks keys",
            "pool": "golden"}]
versions:
  description: One entry per version, descendants included. Of versions to be deleted the children come first.
  returned: always
  type: list
  elements: dict
  contains:
    item:
      description: The image and the version.
      type: str
    image:
      description: The image.
      type: str
    version:
      description: The version.
      type: str
    state:
      description: What it is now.
      type: str
    previous:
      description: What it was before.
      type: str
    reason:
      description: Why.
      type: str
    volumes:
      description: The volumes that were deleted.
      type: list
      elements: str
    bytes:
      description: What they took on the pool's disk.
      type: int
    changed:
      description: Whether anything was changed.
      type: bool
    failed:
      description: Whether it could not be done; RV(versions[].msg) says why.
      type: bool
    msg:
      description: What went wrong.
      returned: failure
      type: str
    obstacles:
      description: What depends on the version.
      returned: failure
      type: list
      elements: str
    actions:
      description: This version's part of RV(actions).
      type: list
      elements: dict
"""

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL
from ansible_collections.golden.libvirt.plugins.module_utils._run.image import IMAGE
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb

SPEC = {
    **IMAGE_POOL,
    "image": {"type": "str", "required": True},
    "versions": {"type": "list", "elements": "str", "required": True, "aliases": ["version"]},
    "state": {"type": "str", "choices": ["active", "deprecated", "revoked", "absent"], "required": True},
    "reason": {"type": "str"},
    "date": {"type": "str"},
    "cascade": {"type": "bool", "default": False},
}


def main() -> None:
    run_verb(SPEC, IMAGE, required_if=[("state", "deprecated", ["reason"]), ("state", "revoked", ["reason"])])


if __name__ == "__main__":
    main()
