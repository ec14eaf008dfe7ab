#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: prune
short_description: Delete versions by age and number, and what interrupted runs have left
version_added: "0.1.0"
description:
  - Deletes those versions of images that O(keep_last) and O(max_age) condemn. Where both are set, a version goes that
    both condemn; where none is, none does.
  - A version always stays that a channel points at, that a domain or file of this hypervisor is built on, that a
    version which stays was built from, and the newest of its image.
  - What interrupted runs have left goes in any case. It is told from what runs that still go on are making by the claim
    in the image's journal. Volumes that nobody claimed go when they were left alone for six hours. Clones of these
    images go that were half made by a run which has died, and journal records that one has begun and never filled.
  - What was kept of clones that M(golden.libvirt.revert) brought to a version, so that they could be brought back, goes
    when its time is over.
  - In check mode it lists exactly what goes, and the bytes that this frees.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
  - golden.libvirt.image_pool
options:
  images:
    description: The images; all of the pool by default.
    type: list
    elements: str
    aliases: [image]
  keep_last:
    description: How many of the newest versions of each image stay, 1 at least.
    type: int
  max_age:
    description: How old a version must be to go, in hours, days or weeks, such as V(36h), V(90d) or V(12w).
    type: str
  keep_labels:
    description: Labels that keep a version, each as C(name) or C(name=value).
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: golden.libvirt.image
  - module: golden.libvirt.image_info
"""

EXAMPLES = r"""
- name: Keep the five newest versions of each image, and whatever is younger than three months or labelled
  golden.libvirt.prune:
    keep_last: 5
    max_age: 90d
    keep_labels: [audit]

- name: Clean up after runs that were killed, nothing else
  golden.libvirt.prune:
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample: [{"action": "set state", "image": "web", "version": "2", "state": "absent", "reason": "pruned: retention",
            "pool": "golden"},
           {"action": "delete version", "image": "web", "version": "2", "pool": "golden", "bytes": 734003200,
            "volumes": ["golden.web.2.manifest.json", "golden.web.2.vda.qcow2"]}]
versions:
  description:
    - One entry per version that goes, or would go if nothing depended on it. The children come first.
    - Before these, one per clone of which something goes that was kept of it, and one per half-made clone; behind them
      one per journal that has records which were never filled.
  returned: always
  type: list
  elements: dict
  contains:
    item:
      description: The image and the version, the clone, or C(journal of) and the image.
      type: str
    image:
      description: The image.
      type: str
    version:
      description: The version. Of a clone, the one that it was at.
      type: str
    domain:
      description: The clone.
      returned: something goes that was kept of it
      type: str
    why:
      description:
        - Why it goes, V(retention), V(interrupted run), V(interrupted deletion), V(interrupted clone),
          V(interrupted write) or V(undo is over).
      type: str
    kept:
      description: What depends on it and keeps it, in words. Empty where it goes.
      type: list
      elements: str
    volumes:
      description: The volumes that go.
      type: list
      elements: str
    bytes:
      description: The bytes that this frees.
      type: int
    changed:
      description: Whether it goes.
      type: bool
    failed:
      description: Whether it could not be deleted; RV(versions[].msg) says why.
      type: bool
    msg:
      description: What went wrong.
      returned: failure
      type: str
    actions:
      description: This version's part of RV(actions).
      type: list
      elements: dict
"""

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL, Spec
from ansible_collections.golden.libvirt.plugins.module_utils._run.prune import PRUNE
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb

SPEC: Spec = {
    **IMAGE_POOL,
    "images": {"type": "list", "elements": "str", "aliases": ["image"]},
    "keep_last": {"type": "int"},
    "max_age": {"type": "str"},
    "keep_labels": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    run_verb(SPEC, PRUNE)


if __name__ == "__main__":
    main()
