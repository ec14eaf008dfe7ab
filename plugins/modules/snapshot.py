#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Take or delete snapshots of domains
version_added: "0.1.0"
description:
  - Takes a snapshot of one or more libvirt domains, or deletes it. M(golden.libvirt.revert) goes back to it.
  - Whether it is I(internal) (inside the domain's qcow2 files) or I(external) (the files are frozen and overlays put
    over them) is chosen by what the domain's disks, its firmware and this libvirt can do. The two are never mixed in
    one domain, because reverting or deleting one kind can then destroy the other.
  - All that stands in the way is found before anything is changed, and said at once with what to do about it.
  - What was asked for of a snapshot that is there already is not compared with it, except for a warning.
notes:
  - The files of an external snapshot are beside the disk that they belong to. The overlay of disk C(vda) is
    C(<domain>.vda.<snapshot>.qcow2), the memory C(<domain>.<snapshot>.memory). No file is readable by everybody.
  - The UEFI variables of a domain are copied beside their file as C(<domain>.<snapshot>.nvram.fd), because libvirt's
    own snapshots leave them out. M(golden.libvirt.revert) puts them back.
  - The state of an emulated TPM is in a snapshot with memory only. M(golden.libvirt.revert) refuses to go back without
    it.
  - The last line of a snapshot's description holds the label, the consistency, the copy of the UEFI variables and
    whether the domain was sealed, such as C([golden.libvirt label="nightly" consistency="offline"]). libvirt keeps
    nothing else.
  - Where somebody else changes the domain at the same moment, it is looked at and decided on anew, at most five times.
    With O(together), it fails instead, and all of them are as before.
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
  name:
    description:
      - The snapshot's name.
      - It names files too, so it has no C(/) and no C(.) first. It is not of digits only, which QEMU would take for a
        number.
    type: str
    required: true
  state:
    description:
      - V(present) takes the snapshot unless there is one of that name.
      - V(absent) deletes it. What was written since it was taken stays, and so do the snapshots that follow from it,
        but with O(children). It never touches a file that another domain, another snapshot or a golden version is built
        on.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description:
      - V(auto) follows the domain's present snapshots. Where there are none, it is V(internal) where all disks that the
        guest writes to are qcow2 and the firmware allows it, else V(external).
    type: str
    choices: [auto, internal, external]
    default: auto
  memory:
    description:
      - Whether the memory of a domain that is on is in the snapshot, so that a revert resumes it in the middle of its
        work.
      - V(auto) saves it in an internal snapshot, which cannot be without, and not in an external one.
      - libvirt stops the guest while its memory is written.
    type: str
    choices: [auto, "true", "false"]
    default: auto
  quiesce:
    description:
      - Whether the guest agent freezes the file systems while a snapshot without memory is taken of a running domain.
      - V(try) takes it nevertheless where the agent is not there, refuses or does not answer within 30 seconds, and
        says so in RV(snapshots[].fallback). V(required) fails instead, and leaves everything as it was.
      - Whatever happens, the guest is asked to thaw.
    type: str
    choices: [try, required, never]
    default: try
  disks:
    description:
      - The targets of the disks in the snapshot, such as V(vda). The others stay as they are on a revert.
      - All that the guest writes to where it is left out, but for O(exclude_disks) and those whose XML says
        C(snapshot='no').
    type: list
    elements: str
  exclude_disks:
    description: The targets of the disks that are not in the snapshot, where O(disks) is left out.
    type: list
    elements: str
  children:
    description: With O(state=absent), also delete the snapshots that follow from it, all or none.
    type: bool
    default: false
  together:
    description:
      - Take the snapshots of all O(domains) as one. All is made ready first; then all guests are frozen that are to be
        (see O(quiesce)); once all of them are, all snapshots begin at the same time.
      - Where one fails, those of the others are removed; where one cannot be taken, none is begun. O(parallel) does not
        count.
    type: bool
    default: false
  description:
    description: Text that is kept with the snapshot.
    type: str
  label:
    description: Which snapshots O(keep) and O(max_age) are about.
    type: str
  keep:
    description:
      - How many snapshots with O(label) the domain keeps. The oldest go, once the new one is taken.
      - Never the current one, one after which a snapshot without the label was taken, nor one whose files others need.
        While a domain is paused whose memory was saved so, none that files would have to be merged for.
        RV(snapshots[].spared) says which stayed and why.
    type: int
  max_age:
    description:
      - How old snapshots with O(label) may become, such as V(36h), V(90d) or V(12w). Older ones go, once the new one is
        taken; those that O(keep) would never remove stay.
      - With O(keep) as well, those go that are too old and too many.
    type: str
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: golden.libvirt.snapshot_info
  - module: golden.libvirt.revert
"""

EXAMPLES = r"""
- name: Take a snapshot before the machine is configured
  golden.libvirt.snapshot:
    domain: web-build
    name: before-configure

- name: Take one of several machines, with their file systems frozen, and keep the last seven of each
  golden.libvirt.snapshot:
    domains: [db-1, db-2]
    name: "nightly-{{ ansible_facts.date_time.date }}"
    mode: external
    quiesce: required
    label: nightly
    keep: 7

- name: Take one of an application's machines at the same time, or of none
  golden.libvirt.snapshot:
    domains: [shop-db, shop-web]
    name: before-update
    mode: external
    quiesce: required
    together: true
    label: updates
    max_age: 30d

- name: Delete it
  golden.libvirt.snapshot:
    domain: web-build
    name: before-configure
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - action: create snapshot
      domain: web-build
      name: before-configure
      kind: internal
      memory: false
snapshots:
  description: One entry per domain, in the order asked for.
  returned: always
  type: list
  elements: dict
  contains:
    item:
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
    consistency:
      description:
        - V(offline) for a domain that was off, V(application) where its file systems were frozen, else V(crash), as
          after a power cut. It is about the disks. With the memory in the snapshot, a revert loses nothing.
      type: str
    fallback:
      description: Why the guest was not quiesced although that was to be tried, null otherwise.
      type: str
    tpm:
      description: Whether the state of the emulated TPM is in it, null where the domain has none.
      type: bool
    label:
      description: Its label.
      type: str
    description:
      description: Its description.
      type: str
    pruned:
      description: The names of the snapshots that went because of O(keep) or O(max_age).
      type: list
      elements: str
    spared:
      description: Those that had to go and did not, each with its RV(ignore:name) and RV(ignore:reason).
      type: list
      elements: dict
    changed:
      description: Whether anything was done.
      type: bool
    failed:
      description: Whether it failed; RV(snapshots[].msg) says why.
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

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import PARALLEL
from ansible_collections.golden.libvirt.plugins.module_utils._run.snapshot import SNAPSHOT
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb

SPEC = {
    **PARALLEL,
    "domains": {"type": "list", "elements": "str", "required": True, "aliases": ["domain"]},
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "mode": {"type": "str", "choices": ["auto", "internal", "external"], "default": "auto"},
    "memory": {"type": "str", "choices": ["auto", "true", "false"], "default": "auto"},
    "quiesce": {"type": "str", "choices": ["try", "required", "never"], "default": "try"},
    "disks": {"type": "list", "elements": "str"},
    "exclude_disks": {"type": "list", "elements": "str"},
    "children": {"type": "bool", "default": False},
    "together": {"type": "bool", "default": False},
    "description": {"type": "str"},
    "label": {"type": "str"},
    "keep": {"type": "int"},
    "max_age": {"type": "str"},
}


def main() -> None:
    run_verb(
        SPEC,
        SNAPSHOT,
        required_by={"keep": ["label"], "max_age": ["label"]},
        mutually_exclusive=[("disks", "exclude_disks")],
    )


if __name__ == "__main__":
    main()
