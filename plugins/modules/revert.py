#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: revert
short_description: Bring domains back to a snapshot, or clones back to a version of their image
version_added: "0.1.0"
description:
  - Brings one or more libvirt domains back to a snapshot, or clones back to, or forward to, a version of their image.
  - Everything in the domain since then is lost. The difference (C(--diff)) shows what changes in its definition, and
    RV(reverts[].discarded) which disks' later data goes. Take a O(safety_snapshot) to be able to return.
  - Snapshots of every kind are reverted to on every libvirt from 9.0 on. libvirt itself reverts to internal ones. To
    external ones it cannot before 9.9, and later it can leave the domain writing to what snapshots froze, or lose other
    disks' data. So each disk gets a new overlay over what the snapshot froze, the domain is defined as it was then, and
    the overlay that is no longer needed is removed last. Until then, a failure leaves the domain as it was, except that
    one that ran is started anew.
  - All that stands in the way is found before anything is changed, and said at once.
  - A clone that goes to a version gets new disks on that version, and keeps its name, UUID, MAC addresses, hardware,
    seed and the disks that were attached to it later. Its guest boots as it did the first time.
notes:
  - The UEFI variables are put back where M(golden.libvirt.snapshot) saved them; other tools' snapshots do not have
    them.
  - A disk that is not in the snapshot stays as it is. One that was added since then is no longer in the domain, its
    file stays.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
  - golden.libvirt.image_pool
  - golden.libvirt.batch
options:
  domains:
    description: The domains.
    type: list
    elements: str
    required: true
    aliases: [domain]
  to:
    description: Whether to go to a O(snapshot), or (for clones) to a O(version) of their image.
    type: str
    choices: [snapshot, version]
    default: snapshot
  snapshot:
    description: The snapshot's name, exactly. Required when O(to=snapshot).
    type: str
    aliases: [name]
  version:
    description:
      - The version to go to with O(to=version). The one that O(channel) points at, or else the one that the clone was
        made from, where it is left out.
    type: str
  channel:
    description: The channel whose version to go to with O(to=version).
    type: str
  power:
    description:
      - The state that the domain ends in.
      - V(keep) is the one that it is in now. One that is on goes on from the memory in the snapshot where that has
        it, else it is started.
    type: str
    choices: [keep, running, shutoff, paused]
    default: keep
  safety_snapshot:
    description: The name of a snapshot to take of each domain before, with O(to=snapshot).
    type: str
  together:
    description:
      - Revert all O(domains) or none. Where one cannot be reverted, none is; where one fails, the others are brought
        back to what they were. O(parallel) does not count.
      - libvirt cannot take back that it reverted to an internal snapshot. So one named
        C(before-<snapshot>) is taken before, and deleted at the end, where there is no O(safety_snapshot).
    type: bool
    default: false
  force:
    description:
      - Revert although something is lost or cannot be brought back. Without it, all of that is said and nothing is
        done.
      - The state of a TPM that is not in the snapshot stays as it is now. The guest may then not open what it sealed
        with it.
      - So do UEFI variables whose copy is gone, and a definition that is not in the snapshot.
      - Memory that the domain was put to disk with (managed save) is discarded.
      - With O(to=version), the clone's snapshots are removed, and a revoked version is gone to.
      - A snapshot in qcow2 whose name is of digits only may be another one to QEMU, which takes that for a number.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: none
    details: What a guest wrote since cannot be told from outside, so that every run reverts and is RV(ignore:changed).
seealso:
  - module: golden.libvirt.snapshot
  - module: golden.libvirt.snapshot_info
  - module: golden.libvirt.clone
"""

EXAMPLES = r"""
- name: Undo what happened since the machine was configured
  golden.libvirt.revert:
    domain: web-build
    snapshot: before-configure

- name: Go back, but be able to return
  golden.libvirt.revert:
    domains: [db-1, db-2]
    snapshot: nightly-2026-03-01
    safety_snapshot: before-revert

- name: Bring a broken clone back to the version that it was made from
  golden.libvirt.revert:
    domain: web-07
    to: version

- name: Bring clones forward to the stable version, and leave them off
  golden.libvirt.revert:
    domains: [web-01, web-02]
    to: version
    channel: stable
    power: shutoff
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: revert to snapshot
      domain: web-build
      name: before-configure
      power: running
reverts:
  description: One entry per domain, in the order asked for.
  returned: always
  type: list
  elements: dict
  contains:
    item:
      description: The domain.
      type: str
    snapshot:
      description: The snapshot.
      returned: O(to=snapshot)
      type: str
    kind:
      description: V(internal) or V(external).
      returned: O(to=snapshot)
      type: str
    memory:
      description: Whether the guest goes on from the memory in the snapshot.
      returned: O(to=snapshot)
      type: bool
    image:
      description: The image that the clone was struck from.
      returned: O(to=version)
      type: str
    version:
      description: The version that the clone is at now.
      returned: O(to=version)
      type: str
    previous_version:
      description: The version that it was at before.
      returned: O(to=version)
      type: str
    power:
      description: The state that the domain ends in.
      type: str
    discarded:
      description:
        - The disks whose later data goes, each with its RV(ignore:disk), RV(ignore:file) and the RV(ignore:bytes)
          that go with it. They are null where the file stays and holds other data, too; then no more go than
          RV(ignore:at_most), all that the file takes.
      type: list
      elements: dict
      sample:
        - disk: vda
          file: /var/lib/libvirt/images/web.vda.one.qcow2
          bytes: 1048576
          at_most: 1048576
    left:
      description: Files that the domain no longer uses and that this collection did not make. Look at them.
      type: list
      elements: str
    changed:
      description: Whether it was reverted.
      type: bool
    failed:
      description: Whether it failed; RV(reverts[].msg) says why.
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

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL, PARALLEL
from ansible_collections.golden.libvirt.plugins.module_utils._run.revert import REVERT
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb

SPEC = {
    **PARALLEL,
    **IMAGE_POOL,
    "domains": {"type": "list", "elements": "str", "required": True, "aliases": ["domain"]},
    "to": {"type": "str", "choices": ["snapshot", "version"], "default": "snapshot"},
    "snapshot": {"type": "str", "aliases": ["name"]},
    "version": {"type": "str"},
    "channel": {"type": "str"},
    "power": {"type": "str", "choices": ["keep", "running", "shutoff", "paused"], "default": "keep"},
    "safety_snapshot": {"type": "str"},
    "together": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
}


def main() -> None:
    run_verb(
        SPEC,
        REVERT,
        required_if=[("to", "snapshot", ["snapshot"])],
        required_by={"safety_snapshot": ["snapshot"]},
        mutually_exclusive=[("version", "channel"), ("snapshot", "version"), ("snapshot", "channel")],
    )


if __name__ == "__main__":
    main()
