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
  - golden.libvirt.batch
  - golden.libvirt.trust
options:
  images:
    description: The images to tell about; all by default. One of which there is nothing is left out.
    type: list
    elements: str
    aliases: [image]
  verify:
    description:
      - Whether to read all volumes of these images, and those that they are overlays of, and compare them with what
        was promoted; and to look for files that are none of theirs. See RV(images[].versions[].findings) and
        RV(foreign).
      - Each is read once, O(parallel) at the same time. This takes as long as reading them takes, over the network
        where O(uri) leads to another machine.
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
  failed_when: >-
    web.foreign or web.images | map(attribute='versions') | flatten | map(attribute='problems') | flatten

- name: Name the versions that the release team has not signed
  golden.libvirt.image_info:
    trusted_signers: /etc/golden/allowed_signers
  register: there

- name: Show them
  ansible.builtin.debug:
    msg: "{{ there.images | map(attribute='versions') | flatten | map(attribute='untrusted') | select }}"
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
        memory:
          description: The memory of clones of it in MiB, where nothing else is asked for.
          type: int
        disks:
          description:
            - Its disks, with C(target), C(volume), C(format), C(capacity), C(size), C(sha256) and C(backing).
            - C(sha256) is null where the digest was put off and not taken yet, C(backing) the volume of another version
              that it is an overlay on, if any.
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
        signature:
          description: OpenSSH's signature of its manifest, null where it is not signed.
          type: str
        signed_by:
          description: Who of O(trusted_signers) has signed it, null for none of them.
          type: str
        untrusted:
          description:
            - Why it is untrusted, where O(trusted_signers) says whom to trust; null where it is signed by one of them.
            - What it is an overlay of must be signed too.
          type: str
        problems:
          description: What of it is not as it was promoted, in words. The notes of the findings are left out.
          returned: when O(verify=true)
          type: list
          elements: str
        findings:
          description: What is to be said of its volumes and those that they are overlays of.
          returned: when O(verify=true)
          type: list
          elements: dict
          contains: &finding
            volume:
              description: The volume.
              type: str
            finding:
              description:
                - V(tampered) for another content, or something else in the file's place; V(truncated) for one that is
                  too short; V(missing); V(foreign) for one that is an overlay of what no manifest names, or that
                  itself none names; V(unreadable).
                - V(mode) and V(owner) for other ones than it should have, and V(untrusted) for a manifest that nobody
                  has signed who is trusted.
                - V(undigested) where the digest was put off, and V(unprotected) for one that is not immutable, are
                  notes.
              type: str
            text:
              description: The same in words.
              type: str
            do:
              description: What to do about it.
              type: str
            note:
              description:
                - Whether that is nothing wrong. Where the immutable flag cannot be had, another V(owner) is a note
                  too, since libvirt gives a volume away when a clone starts.
              type: bool
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
              V(state) the state that it was in then, V(open) whether a run such as the playbook
              C(golden.libvirt.refresh) went there and has not settled that yet.
            - Null where nothing is kept.
          type: dict
        orphaned:
          description: Whether its version is gone.
          type: bool
foreign:
  description:
    - Volumes under the names of images that no manifest and no journal names, and manifests that are damaged or another
      version's. Of the images asked for, or of all.
  returned: when O(verify=true)
  type: list
  elements: dict
  contains: *finding
hypervisor:
  description: What P(golden.libvirt.placement#filter) needs to know of this hypervisor.
  returned: success
  type: dict
  contains:
    memory:
      description: Its memory in MiB.
      type: int
    memory_free:
      description:
        - How many MiB more its machines can have. That is what it has less what the domains that run may come to use,
          or what is available now where that is less; and of that, less what clones that are off are going to use.
      type: int
    domains:
      description: The names of all its domains.
      type: list
      elements: str
"""

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL, PARALLEL, TRUST, Spec
from ansible_collections.golden.libvirt.plugins.module_utils._run.image_info import read
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_info

SPEC: Spec = {
    **IMAGE_POOL,
    **PARALLEL,
    **TRUST,
    "images": {"type": "list", "elements": "str", "aliases": ["image"]},
    "verify": {"type": "bool", "default": False},
}


def main() -> None:
    run_info(SPEC, read)


if __name__ == "__main__":
    main()
