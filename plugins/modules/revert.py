#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: revert
short_description: Bring domains back to a snapshot, or clones to a version of their image and back
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
  - With O(undo_for), its old disks, UEFI variables and definition are kept for so long, and O(to=before) brings exactly
    these back. They are found by a volume beside the clone's disks, its name ending with C(.before.json), so that
    a definition that has lost its metadata does not lose them. What has been kept long enough goes with the next revert
    of the clone to a version, or with M(golden.libvirt.prune). The version that the old disks are built on cannot be
    deleted until then.
notes:
  - The UEFI variables are put back where M(golden.libvirt.snapshot) saved them; other tools' snapshots do not have
    them.
  - A disk that is not in the snapshot stays as it is. One that was added since then is no longer in the domain, its
    file stays.
  - Where somebody else changed the domain before it is begun, it is looked at and decided on anew. What somebody takes
    a snapshot of meanwhile is not removed.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
  - golden.libvirt.image_pool
  - golden.libvirt.batch
  - golden.libvirt.trust
options:
  domains:
    description: The domains.
    type: list
    elements: str
    required: true
    aliases: [domain]
  to:
    description:
      - Where to go. V(snapshot) is a O(snapshot).
      - V(version) is, for clones, a O(version) of their image.
      - V(before) is what a clone was before it last went to a version with O(undo_for), to the byte. What was written
        since is lost. Where more than one such way is kept, the next one goes back by one more.
      - V(stay) goes nowhere. What is kept to go back to is removed, or, with O(undo_for), only gets an end where it
        has none.
      - V(settle) is the same of what is kept with O(undo_for=settled) only. Other ways back stay as they are.
    type: str
    choices: [snapshot, version, before, stay, settle]
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
  undo_for:
    description:
      - How long O(to=before) shall be possible, in minutes, hours, days or weeks, such as V(2h) or V(7d), or V(ever)
        for until O(to=stay). After that time it is still possible until what is kept is removed.
      - V(settled) is until O(to=settle), for who goes to a version to test it. M(golden.libvirt.image_info) tells which
        clones that has not come for.
      - Without it, the old disks are deleted. Kept ones take the space that they took before.
    type: str
  power:
    description:
      - The state that the domain ends in.
      - V(keep) is the one that it is in now, with O(to=before) the one that it was in then. One that is on goes on from
        the memory in the snapshot where that has it, else it is started.
    type: str
    choices: [keep, running, shutoff, paused]
    default: keep
  safety_snapshot:
    description:
      - The name of a snapshot to take of each domain before, with O(to=snapshot).
      - A clone that goes to a version gets other disks, and a snapshot would go with the old ones. That is what
        O(undo_for) is for.
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
      - With O(to=version) and O(to=before), the clone's snapshots are removed. O(to=before) brings back the disks as
        they were, not their snapshots. A revoked version is gone to; never an untrusted one.
      - A snapshot in qcow2 whose name is of digits only may be another one to QEMU, which takes that for a number.
      - Where a snapshot is in a qcow2 file that others are built on, or that another domain has as a disk, these lose
        what their content fits to.
    type: bool
    default: false
  wait_for:
    description:
      - What to wait for in guests that run in the end, as M(golden.libvirt.clone) does.
      - With V(agent), the guest of a clone whose name was told to it through its agent is told it again. The keys that
        it was told are not known any more; run M(golden.libvirt.clone) again for these.
    type: str
    choices: [none, agent, address, ssh]
    default: none
  wait_timeout:
    description: How many seconds to wait for each guest. One that is late is a failure; the domain stays reverted.
    type: int
    default: 300
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: none
    details:
      - What a guest wrote since cannot be told from outside, so that every run reverts and is RV(ignore:changed).
        O(to=stay) and O(to=settle) change nothing the second time.
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

- name: Bring a clone forward, and be able to return for a week
  golden.libvirt.revert:
    domain: web-01
    to: version
    channel: stable
    undo_for: 7d

- name: Return
  golden.libvirt.revert:
    domain: web-01
    to: before
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
      returned: O(to) other than V(snapshot)
      type: str
    version:
      description: The version that the clone is at now.
      returned: O(to) other than V(snapshot)
      type: str
    previous_version:
      description: The version that it was at before.
      returned: O(to) other than V(snapshot)
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
    kept:
      description: The disks whose later data is kept, in the same form.
      returned: O(to) other than V(snapshot)
      type: list
      elements: dict
    kept_until:
      description: Until when. Null where that has no end, or nothing is kept.
      returned: O(to) other than V(snapshot)
      type: str
      sample: "2026-03-08T12:00:00Z"
    addresses:
      description: The guest's IP addresses.
      returned: O(wait_for=address) or O(wait_for=ssh), and it runs
      type: list
      elements: str
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
    settled:
      description:
        - Whether it got to where it was to go all the same, as when its guest is late. Else it is what it was, unless
          RV(reverts[].left) says otherwise.
      returned: failure after it was begun
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

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL, PARALLEL, TRUST
from ansible_collections.golden.libvirt.plugins.module_utils._run.revert import REVERT
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb

SPEC = {
    **PARALLEL,
    **IMAGE_POOL,
    **TRUST,
    "domains": {"type": "list", "elements": "str", "required": True, "aliases": ["domain"]},
    "to": {"type": "str", "choices": ["snapshot", "version", "before", "stay", "settle"], "default": "snapshot"},
    "snapshot": {"type": "str", "aliases": ["name"]},
    "version": {"type": "str"},
    "channel": {"type": "str"},
    "undo_for": {"type": "str"},
    "power": {"type": "str", "choices": ["keep", "running", "shutoff", "paused"], "default": "keep"},
    "safety_snapshot": {"type": "str"},
    "together": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    "wait_for": {"type": "str", "choices": ["none", "agent", "address", "ssh"], "default": "none"},
    "wait_timeout": {"type": "int", "default": 300},
}


def main() -> None:
    run_verb(
        SPEC,
        REVERT,
        required_if=[("to", "snapshot", ["snapshot"])],
        mutually_exclusive=[("version", "channel")],
    )


if __name__ == "__main__":
    main()
