#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: flatten
short_description: Make linked clones independent of their version
version_added: "0.1.0"
description:
  - Copies into the disks of domains what is only in the files that they are overlays of, and lets go of these files.
    The version that a clone was struck from does not count it as a dependant any more.
  - The files of the disks stay where they are. Guests go on running, and stand still for a moment after each disk, so
    that QEMU writes all of it down. A domain that is off is started paused, so that its guest does nothing, and is off
    again afterwards, even where the run is killed. One that is paused is refused.
  - When the task is told to end (SIGTERM, as by cancelling a job), the copying is aborted and the domain is as it was.
    Disks that were done by then are named in RV(domains[].left). Run it again to go on from there.
  - How far it is stands in the hypervisor's journal every five seconds, and C(virsh blockjob DOMAIN DISK) shows it.
  - All that stands in the way is found before anything is changed, and said at once. Snapshots that have a disk in them
    need the same files, and so are in the way; delete them first.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
  - golden.libvirt.batch
options:
  domains:
    description: The domains.
    type: list
    elements: str
    required: true
    aliases: [domain]
  disks:
    description: The disks, by target such as V(vda). All that the guest can write to by default.
    type: list
    elements: str
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: golden.libvirt.clone
  - module: golden.libvirt.image_info
"""

EXAMPLES = r"""
- name: Let a clone outlive its version
  golden.libvirt.flatten:
    domain: db-01

- name: Keep the system disks linked, and make the data disks independent
  golden.libvirt.flatten:
    domains: [db-01, db-02]
    disks: [vdb]
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: flatten disks
      domain: db-01
      disks: [vda, vdb]
domains:
  description: One entry per domain, in the order asked for.
  returned: always
  type: list
  elements: dict
  contains:
    item:
      description: The domain.
      type: str
    flattened:
      description:
        - The disks that were overlays, each with its RV(ignore:disk), RV(ignore:file) and the RV(ignore:bytes) that
          were to be copied at most.
      type: list
      elements: dict
      sample: [{"disk": "vda", "file": "/var/lib/libvirt/images/db-01.vda.qcow2", "bytes": 536870912}]
    linked:
      description: Whether a disk still depends on a version's.
      type: bool
    left:
      description: What was done already when it failed.
      returned: failure
      type: list
      elements: str
    changed:
      description: Whether anything was done.
      type: bool
    failed:
      description: Whether it failed; RV(domains[].msg) says why.
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

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import PARALLEL, Spec
from ansible_collections.golden.libvirt.plugins.module_utils._run.flatten import FLATTEN
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb

SPEC: Spec = {
    **PARALLEL,
    "domains": {"type": "list", "elements": "str", "required": True, "aliases": ["domain"]},
    "disks": {"type": "list", "elements": "str"},
}


def main() -> None:
    run_verb(SPEC, FLATTEN)


if __name__ == "__main__":
    main()
