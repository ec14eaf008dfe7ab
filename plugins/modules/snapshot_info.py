#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_info
short_description: List the snapshots of domains
version_added: "0.1.0"
description:
  - Lists the snapshots of libvirt domains, those taken with C(virsh) or virt-manager too.
  - Says which can be reverted to or deleted on this libvirt, and why the others cannot.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
options:
  domains:
    description: The domains. All of them where it is left out. One that is not there has no snapshots.
    type: list
    elements: str
    aliases: [domain]
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
seealso:
  - module: golden.libvirt.snapshot
  - module: golden.libvirt.revert
"""

EXAMPLES = r"""
- name: See what snapshots there are
  golden.libvirt.snapshot_info:
  register: result

- name: Show those that cannot be reverted to
  ansible.builtin.debug:
    msg: "{{ item.domain }}/{{ item.name }}: {{ item.revert_obstacles | join('; ') }}"
  loop: "{{ result.snapshots | rejectattr('revertable') }}"
  loop_control:
    label: "{{ item.domain }}/{{ item.name }}"
"""

RETURN = r"""
snapshots:
  description: The snapshots, by domain, parents before their children.
  returned: always
  type: list
  elements: dict
  contains:
    domain:
      description: The domain.
      type: str
    name:
      description: The snapshot.
      type: str
    kind:
      description: V(internal) or V(external).
      type: str
    memory:
      description: Whether the memory is in it.
      type: bool
    memory_file:
      description: The file that the memory is in, null where it is in a disk or was not saved.
      type: str
    memory_size:
      description: The bytes that this file takes.
      type: int
    state:
      description: The domain's state then, V(disk-snapshot) where it was on and its memory was not saved.
      type: str
    consistency:
      description: V(offline), V(application) or V(crash); null where another tool took it of a domain that was on.
      type: str
    created:
      description: When it was taken, in UTC.
      type: str
      sample: "2026-03-01T12:00:00Z"
    current:
      description: Whether the domain's present state follows from it.
      type: bool
    parent:
      description: The snapshot that it follows from, null for none.
      type: str
    children:
      description: The snapshots that follow from it.
      type: list
      elements: str
    label:
      description: Its label.
      type: str
    description:
      description: Its description.
      type: str
    nvram:
      description: The copy of the UEFI variables, null for none.
      type: str
    tpm:
      description: Whether the state of the emulated TPM is in it, null where the domain had none.
      type: bool
    disks:
      description: What it did with each disk.
      type: list
      elements: dict
      contains:
        target:
          description: The disk.
          type: str
        kind:
          description: V(internal), V(external), or V(no) where the disk is not in it.
          type: str
        file:
          description: The file that the disk wrote to when it was taken. An external snapshot froze it.
          type: str
        size:
          description: The bytes that this file takes. Null for an internal snapshot, of whose part nothing tells.
          type: int
        overlay:
          description: The overlay that was put over the file.
          type: str
    revertable:
      description: Whether the domain can be reverted to it as it is now, without force.
      type: bool
    revert_obstacles:
      description: Why not.
      type: list
      elements: str
    deletable:
      description: Whether it can be deleted as the domain is now.
      type: bool
    delete_obstacles:
      description: Why not.
      type: list
      elements: str
"""

from ansible_collections.golden.libvirt.plugins.module_utils._run.snapshot_info import read
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_info

SPEC = {"domains": {"type": "list", "elements": "str", "aliases": ["domain"]}}


def main() -> None:
    run_info(SPEC, read)


if __name__ == "__main__":
    main()
