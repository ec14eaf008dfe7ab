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
  - The domain is off, unless O(live) says that it may run, or O(snapshot) names one of its snapshots, of which the
    version is then made, running domain or not.
  - The copies are flattened, so they depend on nothing, and the domain is not changed. With O(method=freeze) nothing is
    copied.
  - The version is visible only once it is complete. A run that is killed leaves nothing that can be seen, and the next
    run makes use of its name.
  - Promoting a domain again that was neither run nor redefined since returns the version that it became. The same
    snapshot is the same version, too. A domain that runs becomes a new version each time, unless there is one of its
    O(recipe).
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
  - golden.libvirt.image_pool
  - golden.libvirt.protect
options:
  domain:
    description: The domain.
    type: str
    required: true
  snapshot:
    description:
      - A snapshot of the domain, internal or external, whose state becomes the version. The domain may run, and is not
        disturbed.
      - Disks, definition and UEFI variables are those of then. Memory in the snapshot is left out.
      - Refused where it does not hold all disks that the domain wrote to then, or not its UEFI variables.
    type: str
  live:
    description:
      - Whether a domain that runs may be promoted. Its disks are copied as they are at one instant, by a backup job of
        libvirt's, while it goes on.
      - Only where the task runs on the hypervisor itself, and with O(sealed=false), because while a domain runs nothing
        tells that it is still sealed.
    type: bool
    default: false
  quiesce:
    description:
      - Whether the guest agent freezes the file systems at the instant of which a domain that runs is copied.
      - V(try) copies it nevertheless where the agent is not there, refuses or does not answer within 30 seconds, and
        says so in RV(versions[].fallback). V(required) fails instead.
      - Whatever happens, the guest is asked to thaw.
    type: str
    choices: [try, required, never]
    default: try
  tpm:
    description:
      - What becomes of the state of an emulated TPM, which is not in a version. V(refuse) makes none of a domain that
        has one. V(empty) leaves the state out, so that the TPM of a clone starts empty.
    type: str
    choices: [refuse, empty]
    default: refuse
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
    description:
      - V(copy) copies the disks.
      - V(freeze) makes the disks' files the version's, however large they are, and has the domain go on on overlays of
        the same names. The domain must be off and without snapshots; the task runs on the hypervisor itself.
      - The files must be qcow2, in the image pool's file system, needed by nobody else, and overlays on nothing but
        versions. Such a version needs those that it is built on; M(golden.libvirt.transfer) brings it nowhere.
    type: str
    choices: [copy, freeze]
    default: copy
  checksum:
    description:
      - When the digest of what is frozen is taken. V(deferred) puts it off, and M(golden.libvirt.image_info) says so.
      - V(now) also takes the digests that were put off, where the domain is still that version, or O(version) names it.
    type: str
    choices: [now, deferred]
    default: now
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
  signing_key:
    description:
      - The file of an OpenSSH key to sign the manifest with, on the machine that the task runs on. Who has a list of
        trusted signers, such as C(trusted_signers) of M(golden.libvirt.clone), can then tell that the version is yours.
      - The key must need no passphrase. Or name a public key whose private half is in the C(ssh-agent) that the
        task's environment leads to (C(SSH_AUTH_SOCK)).
      - This needs C(ssh-keygen) there. A version that is there already stays as it is, signed or not.
    type: path
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

- name: Make a version of a machine that goes on meanwhile, its file systems at rest
  golden.libvirt.promote:
    domain: db-1
    image: db
    live: true
    quiesce: required
    sealed: false

- name: Make a version of what the machine was before it was configured
  golden.libvirt.promote:
    domain: web-build
    snapshot: before-configure
    image: base
    sealed: false

- name: Make a large machine a version in a moment
  golden.libvirt.promote:
    domain: warehouse
    image: warehouse
    method: freeze
    checksum: deferred

- name: Take the digest at night
  golden.libvirt.promote:
    domain: warehouse
    image: warehouse
    version: "7"

- name: Sign a version
  golden.libvirt.promote:
    domain: web-build
    image: web
    signing_key: /root/.ssh/golden_ed25519
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
    consistency:
      description:
        - V(offline) of a domain that was off, V(application) where the file systems of one that ran were frozen, else
          V(crash), as after a power cut. The manifest's C(provenance) has it, too.
      type: str
    fallback:
      description: Why the guest was not quiesced although that was to be tried, null otherwise.
      type: str
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

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL, PROTECT
from ansible_collections.golden.libvirt.plugins.module_utils._run.promote import PROMOTE
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb

SPEC = {
    **IMAGE_POOL,
    **PROTECT,
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
    # A path; what is in the file never comes near a log.
    "signing_key": {"type": "path", "no_log": False},
    "provenance": {"type": "dict", "default": {}},
}


def main() -> None:
    run_verb(SPEC, PROMOTE)


if __name__ == "__main__":
    main()
