#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: seal
short_description: Mark domains as stripped of their identity
version_added: "0.1.0"
description:
  - Records in the metadata of domains that are off that their guest was stripped of its identity (machine-id, host
    keys, leases, logs), how, and by what it is made anew at the first boot of a clone.
  - The modification times of the disks are recorded with it. As soon as a domain writes to one of them again it does
    not count as sealed any more, and M(golden.libvirt.promote) refuses it.
  - This module changes nothing in the guest. The role P(golden.libvirt.seal#role) strips the guest and then calls it.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
options:
  domains:
    description: The domains. All of them must be off.
    type: list
    elements: str
    required: true
    aliases: [domain]
  method:
    description: How they were stripped, V(guest) by tasks in the running guest, V(virt-sysprep) offline by that tool.
    type: str
    choices: [guest, virt-sysprep]
    required: true
  operations:
    description: What was stripped, in the words of the method.
    type: list
    elements: str
    default: []
  first_boot:
    description: What makes a clone's identity anew at its first boot.
    type: str
    choices: [cloud-init, systemd]
    required: true
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: golden.libvirt.promote
"""

EXAMPLES = r"""
- name: Say that the builder was sealed in the guest
  golden.libvirt.seal:
    domain: web-build
    method: guest
    operations: [machine-id, ssh-hostkeys, dhcp-leases, logs]
    first_boot: cloud-init
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample: [{"action": "mark domain", "domain": "web-build"}]
seals:
  description: One entry per domain, in the order asked for.
  returned: always
  type: list
  elements: dict
  contains:
    item:
      description: The domain.
      type: str
    domain:
      description: The domain.
      type: str
    sealed:
      description: What the domain's metadata say now, with the keys C(method), C(operations) and C(first_boot).
      type: dict
    changed:
      description: Whether the metadata was changed.
      type: bool
    failed:
      description: Whether it could not be done; RV(seals[].msg) says why.
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
    actions:
      description: This domain's part of RV(actions).
      type: list
      elements: dict
"""

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import Spec
from ansible_collections.golden.libvirt.plugins.module_utils._run.seal import SEAL
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb

SPEC: Spec = {
    "domains": {"type": "list", "elements": "str", "required": True, "aliases": ["domain"]},
    "method": {"type": "str", "choices": ["guest", "virt-sysprep"], "required": True},
    "operations": {"type": "list", "elements": "str", "default": []},
    "first_boot": {"type": "str", "choices": ["cloud-init", "systemd"], "required": True},
}


def main() -> None:
    run_verb(SPEC, SEAL)


if __name__ == "__main__":
    main()
