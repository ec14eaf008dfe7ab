#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: promote
short_description: Make a domain's state a new version of an image
version_added: "0.1.0"
description:
  - Copies all disks that a domain writes to, and its UEFI variables, into the image pool, where they become an
    immutable version of an image together with the domain's definition without its identity.
  - The copies are flattened, so they depend on nothing, and the domain is not changed.
  - The version is visible only once it is complete. A run that is killed leaves nothing that can be seen, and the next
    run makes use of its name.
  - Promoting a domain again that was neither run nor redefined since returns the version that it became.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
  - golden.libvirt.image_pool
options:
  domain:
    description: The domain. It must be off.
    type: str
    required: true
  image:
    description: The image that gets the version. The first version makes the image.
    type: str
    required: true
  version:
    description:
      - The name of the version. The next number by default.
      - A version that exists is never changed.
    type: str
  channels:
    description: The channels that shall point at the version. See M(golden.libvirt.channel).
    type: list
    elements: str
    default: []
    aliases: [channel]
  method:
    description: V(copy) copies the disks.
    type: str
    choices: [copy]
    default: copy
  compress:
    description:
      - Whether the copies are compressed. V(zstd) takes about five times as long as V(none), V(zlib) twenty times.
      - Only where the task runs on the hypervisor itself, with C(qemu-img) there.
    type: str
    choices: [none, zstd, zlib]
    default: none
  sealed:
    description:
      - Whether the domain must have been stripped of its identity, as M(golden.libvirt.seal) records it.
      - V(false) accepts one that was not. The manifest then says so, and its clones share what identifies a machine.
    type: bool
    default: true
  recipe:
    description:
      - A text that stands for all that went into the domain, such as a commit's hash.
      - If there is an active version of the same recipe and with the same parent, nothing is made and that version is
        returned, whatever the domain looks like.
    type: str
  force:
    description: Whether to make a version even where there is one of that recipe, or of this very state.
    type: bool
    default: false
  labels:
    description: Names and values of your own, kept in the manifest.
    type: dict
    default: {}
  description:
    description: A text for people, kept in the manifest.
    type: str
    default: ''
  rename_to:
    description:
      - A new name for the domain once it was promoted, one that tells its purpose.
      - Where the domain is gone and there is one of this name, that is taken to be the one renamed by an earlier run.
    type: str
  provenance:
    description: Where the version comes from, such as the job's number and address, kept in the manifest.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: golden.libvirt.seal
  - module: golden.libvirt.channel
  - module: golden.libvirt.clone
  - module: golden.libvirt.image_info
"""

EXAMPLES = r"""
- name: Make the builder's state the next version, for trial
  golden.libvirt.promote:
    domain: web-build
    image: web
    channels: [candidate]
    recipe: "{{ awx_project_revision | default(omit) }}"
    labels:
      os: debian-12

- name: Keep a machine as it is, identity and all
  golden.libvirt.promote:
    domain: legacy
    image: legacy
    version: "2026.1"
    sealed: false
    rename_to: legacy-golden
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - {"action": "claim version", "image": "web", "version": "4", "pool": "golden"}
    - action: copy into version
      part: vda
      source: /var/lib/libvirt/images/web-build.qcow2
      pool: golden
      volume: golden.web.4.vda.qcow2
      format: qcow2
      capacity: 10737418240
    - {"action": "commit version", "image": "web", "version": "4", "pool": "golden"}
    - {"action": "assign channel", "image": "web", "channel": "candidate", "version": "4", "pool": "golden"}
versions:
  description: One entry, for the domain.
  returned: always
  type: list
  elements: dict
  contains:
    item:
      description: The domain as it was asked for.
      type: str
    domain:
      description: The domain's name now.
      type: str
    image:
      description: The image.
      type: str
    version:
      description: The version that the domain became, now or before.
      type: str
    manifest:
      description:
        - What the version's manifest says, but for the domain's definition, with the keys C(image), C(version),
          C(created), C(created_by), C(description), C(labels), C(disks), C(firmware), C(sealed), C(lineage),
          C(recipe), C(provenance) and C(signature).
        - Null in check mode where a version would be made.
      type: dict
    changed:
      description: Whether anything was done.
      type: bool
    failed:
      description: Whether it could not be done; RV(versions[].msg) says why.
      type: bool
    msg:
      description: What went wrong.
      returned: failure
      type: str
    obstacles:
      description: All that stands in the way.
      returned: failure
      type: list
      elements: str
    left:
      description: What is left of a failed run, in words.
      returned: failure
      type: list
      elements: str
    actions:
      description: The same as RV(actions).
      type: list
      elements: dict
"""

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL
from ansible_collections.golden.libvirt.plugins.module_utils._run.promote import PROMOTE
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb

SPEC = {
    **IMAGE_POOL,
    "domain": {"type": "str", "required": True},
    "image": {"type": "str", "required": True},
    "version": {"type": "str"},
    "channels": {"type": "list", "elements": "str", "default": [], "aliases": ["channel"]},
    "snapshot": {"type": "str"},
    "live": {"type": "bool", "default": False},
    "quiesce": {"type": "str", "choices": ["try", "required", "never"], "default": "try"},
    "tpm": {"type": "str", "choices": ["refuse", "empty"], "default": "refuse"},
    "method": {"type": "str", "choices": ["copy", "freeze"], "default": "copy"},
    "checksum": {"type": "str", "choices": ["now", "deferred"], "default": "now"},
    "compress": {"type": "str", "choices": ["none", "zstd", "zlib"], "default": "none"},
    "sealed": {"type": "bool", "default": True},
    "recipe": {"type": "str"},
    "force": {"type": "bool", "default": False},
    "labels": {"type": "dict", "default": {}},
    "description": {"type": "str", "default": ""},
    "rename_to": {"type": "str"},
    "provenance": {"type": "dict", "default": {}},
}


def main() -> None:
    run_verb(SPEC, PROMOTE)


if __name__ == "__main__":
    main()
