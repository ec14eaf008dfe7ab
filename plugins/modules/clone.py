#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: clone
short_description: Strike machines from a version of an image, or remove them
version_added: "0.1.0"
description:
  - Makes any number of domains from a version of an image, or full copies of a domain that is off.
  - A clone has its own name, UUID, MAC addresses, generation id, UEFI variables, SMBIOS and disk serial numbers,
    consoles and sockets; its graphics ports and vsock address are chosen at each start. What two machines cannot
    share and cannot each have of their own, such as a host device, is refused, all of it at once.
  - The MAC addresses follow from the hypervisor and the clone's name, so that a clone that is made anew is known to the
    DHCP server. They are never those of another domain of the hypervisor, running or not.
  - A clone that is there is never replaced. Where it was struck from another version than the one asked for,
    RV(clones[].outdated) says so; M(golden.libvirt.revert) brings it to that version.
  - The clone is defined first and marked as complete last. What a run that was killed has left is removed and made
    anew by the next run.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
  - golden.libvirt.image_pool
  - golden.libvirt.batch
options:
  names:
    description: The clones. Letters, digits, C(.), C(+), C(_) and C(-).
    type: list
    elements: str
    required: true
    aliases: [name]
  state:
    description:
      - With V(present), the clones are there.
      - With V(absent), they are not. A clone that runs is stopped. Its disks, UEFI variables, TPM state and seed go,
        as far as they were made for it; a disk that was attached to it later stays, and so do the volumes of the
        version. Domains that are not clones are refused.
    type: str
    choices: [present, absent]
    default: present
  image:
    description:
      - The image to clone from. Needs O(version) or O(channel).
      - With O(state=absent), only clones of this image are removed.
    type: str
  version:
    description: The version of O(image).
    type: str
  channel:
    description: The channel of O(image) that points at the version.
    type: str
  domain:
    description: A domain to clone from, instead of an image. It must be off. Its disks are copied.
    type: str
  linked:
    description:
      - Whether the clones' disks are overlays on the version's, made in an instant and small, or full copies.
      - Clones of a O(domain) are always full copies.
    type: bool
    default: true
  pool:
    description: The storage pool for the clones' volumes. O(image_pool) by default.
    type: str
  memory:
    description: Memory in MiB, if not the source's.
    type: int
  vcpus:
    description: Number of virtual processors, if not the source's.
    type: int
  title:
    description: A title, which virt-manager shows. The source's is never taken over.
    type: str
  start:
    description: Whether the clones shall run. With V(false), they are left as they are, and off when new.
    type: bool
    default: false
  wait_for:
    description:
      - What to wait for in clones that O(start=true) starts or finds running.
      - V(agent) is an answer of the guest agent; V(address) an IP address that the agent, libvirt's DHCP server or
        the host's ARP table tells; V(none) does not wait.
    type: str
    choices: [none, agent, address]
    default: none
  wait_timeout:
    description: How many seconds to wait for each guest. One that is late is a failure; the clone stays.
    type: int
    default: 300
  customise:
    description:
      - What the guests are told about themselves when they are made.
      - Without it, guests that have cloud-init to make their identity
        (RV(golden.libvirt.image_info#module:images[].versions[].sealed)) are told their host name, others nothing.
    type: dict
    suboptions:
      hostname:
        description: The host name. V({name}) in it stands for the clone's name, which is the default.
        type: str
      fqdn:
        description: The fully qualified host name, instead of O(customise.hostname). V({name}) as there.
        type: str
      ssh_keys:
        description: Public keys that may log in, as cloud-init's default user, or as root through the agent.
        type: list
        elements: str
        default: []
      user_data:
        description:
          - User data for cloud-init, given to the guest as it is. Begins with C(#cloud-config), C(#!) or another of
            cloud-init's headers.
          - Never shown. Kept in the seed volume, which only its owner and QEMU can read.
        type: str
      network_config:
        description:
          - Network configuration for cloud-init, version 1 or 2.
          - Where there are passwords in it, set C(no_log) on the task.
        type: dict
      via:
        description:
          - V(cloud-init) attaches a small read-only disk (a NoCloud seed) that cloud-init reads at first boot.
          - V(agent) tells the running guest, and needs O(start=true). It can carry host name and keys only. It is
            lost when the clone is reverted to its version; the next run of this module says it again.
          - V(auto) is V(cloud-init) where the version is sealed with that, else V(agent).
        type: str
        choices: [auto, cloud-init, agent]
        default: auto
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
seealso:
  - module: golden.libvirt.image_info
  - module: golden.libvirt.promote
  - module: golden.libvirt.revert
"""

EXAMPLES = r"""
- name: Strike three web servers from the stable version and wait until they answer
  golden.libvirt.clone:
    image: web
    channel: stable
    names: [web-01, web-02, web-03]
    start: true
    wait_for: agent
    parallel: 3

- name: Tell the guests their names and who may log in
  golden.libvirt.clone:
    image: web
    version: "4"
    names: "{{ query('sequence', 'start=1 end=40 format=web-%02d') }}"
    customise:
      fqdn: "{name}.example.org"
      ssh_keys:
        - "{{ lookup('file', 'id_ed25519.pub') }}"
      user_data: |
        #cloud-config
        packages: [vim]

- name: A larger one on its own disks
  golden.libvirt.clone:
    image: web
    channel: stable
    name: web-big
    linked: false
    pool: fast
    memory: 8192
    vcpus: 4

- name: Copy a domain
  golden.libvirt.clone:
    domain: legacy
    name: legacy-copy

- name: Remove one with all that was made for it
  golden.libvirt.clone:
    name: web-03
    state: absent
"""

RETURN = r"""
actions:
  description: What was done, or in check mode would be, in order.
  returned: always
  type: list
  elements: dict
  sample:
    - {"action": "define domain", "domain": "web-01"}
    - action: create volume
      pool: golden
      volume: web-01.vda.qcow2
      capacity: 2147483648
      format: qcow2
      backing: /var/lib/libvirt/golden/golden.web.4.vda.qcow2
      backing_format: qcow2
    - {"action": "mark clone", "domain": "web-01", "complete": true}
clones:
  description: One entry per name, in the order asked for.
  returned: always
  type: list
  elements: dict
  contains:
    item:
      description: The name asked for.
      type: str
    name:
      description: The clone's name.
      type: str
    uuid:
      description: Its UUID. A new clone's is not known in check mode.
      type: str
    macs:
      description: The MAC addresses of its interfaces.
      type: list
      elements: str
    image:
      description: The image that it was struck from, null for a clone of a domain.
      type: str
    version:
      description: The version that it was struck from.
      type: str
    channel:
      description: The channel that was named when it was made.
      type: str
    domain:
      description: The domain that it was copied from, null for a clone of an image.
      type: str
    linked:
      description: Whether its disks are overlays on the version's.
      type: bool
    volumes:
      description: The volumes that were made for it, and go with it.
      type: list
      elements: dict
      sample: [{"pool": "golden", "name": "web-01.vda.qcow2"}]
    outdated:
      description: Whether it was struck from another version than the one asked for now.
      returned: O(state=present)
      type: bool
    addresses:
      description: Its IP addresses.
      returned: O(wait_for=address)
      type: list
      elements: str
    changed:
      description: Whether it was made, started or removed.
      type: bool
    failed:
      description: Whether that failed; RV(clones[].msg) says why.
      type: bool
    msg:
      description: What went wrong.
      returned: failure
      type: str
    left:
      description: What stays of it nevertheless.
      returned: failure
      type: list
      elements: str
    actions:
      description: This clone's part of RV(actions).
      type: list
      elements: dict
"""

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL, PARALLEL
from ansible_collections.golden.libvirt.plugins.module_utils._run.clone import CLONE
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb

CUSTOMISE = {
    "hostname": {"type": "str"},
    "fqdn": {"type": "str"},
    "ssh_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
    "user_data": {"type": "str", "no_log": True},
    "network_config": {"type": "dict"},
    "via": {"type": "str", "choices": ["auto", "cloud-init", "agent"], "default": "auto"},
}

SPEC = {
    **IMAGE_POOL,
    **PARALLEL,
    "names": {"type": "list", "elements": "str", "required": True, "aliases": ["name"]},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "image": {"type": "str"},
    "version": {"type": "str"},
    "channel": {"type": "str"},
    "domain": {"type": "str"},
    "linked": {"type": "bool", "default": True},
    "pool": {"type": "str"},
    "memory": {"type": "int"},
    "vcpus": {"type": "int"},
    "title": {"type": "str"},
    "start": {"type": "bool", "default": False},
    "wait_for": {"type": "str", "choices": ["none", "agent", "address"], "default": "none"},
    "wait_timeout": {"type": "int", "default": 300},
    "customise": {"type": "dict", "options": CUSTOMISE},
}


def main() -> None:
    run_verb(
        SPEC,
        CLONE,
        required_if=[("state", "present", ["image", "domain"], True)],
        mutually_exclusive=[("image", "domain"), ("version", "channel"), ("domain", "version"), ("domain", "channel")],
    )


if __name__ == "__main__":
    main()
