#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: transfer
short_description: Bring versions of an image from another hypervisor or pool
version_added: "0.1.0"
description:
  - Copies the volumes of versions from a pool of one hypervisor to one of another, holes as holes. The task may run on
    either of them, or on a machine that reaches both. It pulls when O(from_uri) leads elsewhere, and pushes when O(uri)
    does.
  - Bytes come through libvirt, or by rsync, which sends only what no version has that is there already.
  - What arrives is compared with what was promoted, before the version becomes visible. A version that is there already
    is left as it is.
  - A transfer that was interrupted goes on where it was when it is run again.
  - Channels and states stay those of the pool that the versions come to.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
  - golden.libvirt.image_pool
  - golden.libvirt.protect
  - golden.libvirt.trust
options:
  image:
    description: The image.
    type: str
    required: true
  versions:
    description: The versions. A revoked one is refused, and with O(trusted_signers) an untrusted one.
    type: list
    elements: str
    required: true
    aliases: [version]
  from_uri:
    description: The connection to the hypervisor that they come from, from where the task runs.
    type: str
    required: true
  from_pool:
    description: The pool that they come from. By default one of the same name as O(image_pool).
    type: str
  method:
    description:
      - V(streams) brings all bytes through libvirt. Nothing but libvirt is needed.
      - V(rsync) builds a volume on that of the version it has most in common with - the one that it was built from, or
        else the one before it. For that the task runs on the hypervisor that the version comes to, and reaches the
        files of the other one through the ssh of O(from_uri). Both have rsync. Without such a version,
        everything comes through libvirt.
      - V(auto) is V(rsync) where it can be, and V(streams) where not. RV(versions[].reason) says why not.
    type: str
    choices: [auto, rsync, streams]
    default: auto
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: golden.libvirt.channel
  - module: golden.libvirt.image_info
"""

EXAMPLES = r"""
- name: Fetch a version from the hypervisor that builds
  golden.libvirt.transfer:
    image: web
    version: "4"
    from_uri: qemu+ssh://root@builder/system

- name: Push it from there to others
  golden.libvirt.transfer:
    uri: "qemu+ssh://root@{{ item }}/system"
    image: web
    version: "4"
    from_uri: qemu:///system
  loop: [kvm1, kvm2]

- name: Fetch only what the release team has signed
  golden.libvirt.transfer:
    image: web
    version: "4"
    from_uri: qemu+ssh://root@builder/system
    trusted_signers: /etc/golden/allowed_signers
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample: [{"action": "bring version", "image": "web", "version": "4", "origin": "qemu+ssh://root@builder/system",
            "source": "golden", "pool": "golden", "volumes": ["golden.web.4.vda.qcow2"], "bytes": 734003200,
            "method": "rsync", "basis": "web 3"}]
versions:
  description: One entry per version.
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
    volumes:
      description: Its volumes.
      type: list
      elements: str
    bytes:
      description: What they have.
      type: int
    method:
      description: How it comes, V(rsync) or V(streams). Empty where it is there.
      type: str
    basis:
      description: The image and the version that rsync builds on, if any.
      type: str
    reason:
      description: Why rsync cannot be used, where it could have saved anything and is not ruled out.
      type: str
    received:
      description: The bytes that came from there for it. In check mode 0.
      type: int
    changed:
      description: Whether it was brought.
      type: bool
    failed:
      description: Whether it could not be brought; RV(versions[].msg) says why.
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

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL, PROTECT, TRUST, Spec
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb
from ansible_collections.golden.libvirt.plugins.module_utils._run.transfer import TRANSFER

SPEC: Spec = {
    **IMAGE_POOL,
    **PROTECT,
    **TRUST,
    "image": {"type": "str", "required": True},
    "versions": {"type": "list", "elements": "str", "required": True, "aliases": ["version"]},
    "from_uri": {"type": "str", "required": True},
    "from_pool": {"type": "str"},
    "method": {"type": "str", "choices": ["auto", "rsync", "streams"], "default": "auto"},
}


def main() -> None:
    run_verb(SPEC, TRANSFER)


if __name__ == "__main__":
    main()
