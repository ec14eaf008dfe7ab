#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Tell images, versions, channels, lineage and clones
version_added: "0.1.0"
description:
  - Tells what the image pool holds, where the channels point, and which domains of this hypervisor descend from which
    version.
  - Clones are known by their metadata, and by the files that their disks are overlays of. The latter outrank the
    former, since they also tell of domains that other tools made, or that lost their metadata.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
  - golden.libvirt.image_pool
options:
  images:
    description: The images to tell about; all by default. One of which there is nothing is left out.
    type: list
    elements: str
    aliases: [image]
  verify:
    description:
      - Whether to read all volumes of these images and compare them with what was promoted.
      - This takes as long as reading them takes.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: golden.libvirt.promote
  - module: golden.libvirt.channel
  - module: golden.libvirt.clone
"""

EXAMPLES = r"""
- name: See what there is
  golden.libvirt.image_info:
  register: there

- name: Name the clones that are behind their channel
  ansible.builtin.debug:
    msg: "{{ there.images | map(attribute='clones') | flatten | selectattr('outdated') | map(attribute='name') }}"

- name: Find out whether anybody touched the golden volumes
  golden.libvirt.image_info:
    image: web
    verify: true
  register: web
  failed_when: web.images | map(attribute='versions') | flatten | map(attribute='problems') | flatten | length > 0
"""

RETURN = r"""
images:
  description: One entry per image.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The image.
      type: str
    versions:
      description:
        - The complete versions, lowest number first, with all that their manifests say but for the domain's definition,
          and what follows.
      type: list
      elements: dict
      contains:
        version:
          description: The version.
          type: str
        state:
          description:
            - V(active), V(deprecated), V(revoked) or, when its deletion was interrupted, V(absent). All but the first
              with C(reason), C(date) and, where it was said of an ancestor, C(through).
          type: str
        to_come:
          description: What it will be from a date on, with C(state), C(reason) and C(date); null for nothing.
          type: dict
        channels:
          description: The channels that point at it.
          type: list
          elements: str
        created:
          description: When it was promoted.
          type: str
        created_by:
          description: Who promoted it.
          type: str
        description:
          description: The text given for it.
          type: str
        labels:
          description: The labels given for it.
          type: dict
        disks:
          description: Its disks, with C(target), C(volume), C(format), C(capacity), C(size) and C(sha256).
          type: list
          elements: dict
        firmware:
          description: The C(type) of its firmware and, for UEFI, the volume C(nvram) with its variables.
          type: dict
        sealed:
          description: How its identity was stripped, null where it was not.
          type: dict
        lineage:
          description: The C(image) and C(version) that it was built from, if any.
          type: dict
        recipe:
          description: The recipe given for it.
          type: str
        provenance:
          description: The domain that it was made from, the versions of what made it, and what was given for it.
          type: dict
        ancestors:
          description:
            - The versions that it was built from, the nearest first, to the first that is not there any more.
          type: list
          elements: str
          sample: ["web 3", "base 12"]
        children:
          description: The versions, of the images asked for, that were built from it, as C(image) and C(version).
          type: list
          elements: dict
        clones:
          description: The names of the domains that were struck from it.
          type: list
          elements: str
        problems:
          description: What of its volumes is not as it was promoted, in words.
          returned: when O(verify=true)
          type: list
          elements: str
    deleted:
      description: The versions that were deleted, with C(version), C(reason) and C(date).
      type: list
      elements: dict
    channels:
      description: The channels and the versions that they point at.
      type: dict
      sample: {"candidate": "4", "stable": "3"}
    history:
      description:
        - The last changes of channels and states, oldest first, with C(serial) of the journal's record, C(created),
          C(by), C(channel) or C(version), C(from) and C(to), C(back) where a channel was brought back to the version
          before, C(reason) and C(date) where these were given for a state.
      type: list
      elements: dict
    claims:
      description:
        - Versions that are being made, or whose making was interrupted, with C(version), C(volumes), C(holder) and
          C(alive).
      type: list
      elements: dict
    lineage:
      description:
        - The versions as trees, each with C(image), C(version), the names of its C(clones), and its C(children), which
          are such trees again.
      type: list
      elements: dict
    clones:
      description: The domains of this hypervisor that descend from the image.
      type: list
      elements: dict
      contains:
        name:
          description: The domain.
          type: str
        uuid:
          description: Its UUID.
          type: str
        state:
          description: Its state, as C(virsh) names it.
          type: str
        image:
          description: The image.
          type: str
        version:
          description: The version that it was struck from.
          type: str
        channel:
          description: The channel that it was struck from, null where a version was named.
          type: str
        linked:
          description: Whether its disks depend on the version's.
          type: bool
        label:
          description: The group that it belongs to, null where it is in none.
          type: str
        created:
          description: When it was struck, null where nothing tells.
          type: str
        complete:
          description: Whether its making came to an end.
          type: bool
        known_by:
          description: What tells of it, V(metadata), V(chain) or both.
          type: list
          elements: str
        outdated:
          description: Whether its channel points at another version now.
          type: bool
        deprecated:
          description: Whether its version is deprecated.
          type: bool
        revoked:
          description: Whether its version is revoked.
          type: bool
        drifted:
          description:
            - Whether the volumes that it is linked to are not as they were promoted. Null for a full clone and where
              nobody looked.
            - Known with O(verify=true).
          type: bool
        undo:
          description:
            - What is kept of it, so that M(golden.libvirt.revert) can bring it back to what it was before it last went
              to a version. V(created) is when that was, V(until) when what is kept may go, null where that has no end,
              V(state) the state that it was in then.
            - Null where nothing is kept.
          type: dict
        orphaned:
          description: Whether its version is gone.
          type: bool
"""

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL, Spec
from ansible_collections.golden.libvirt.plugins.module_utils._run.image_info import read
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_info

SPEC: Spec = {
    **IMAGE_POOL,
    "images": {"type": "list", "elements": "str", "aliases": ["image"]},
    "verify": {"type": "bool", "default": False},
}


def main() -> None:
    run_info(SPEC, read)


if __name__ == "__main__":
    main()
