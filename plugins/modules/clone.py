#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: clone
short_description: Strike machines from a version of an image, or remove them
version_added: "0.1.0"
description:
  - Makes any number of domains from a version of an image, or full copies of a domain or one of its snapshots.
  - A clone has its own name, UUID, MAC addresses, generation id, UEFI variables, SMBIOS and disk serial numbers,
    consoles and sockets; its graphics ports and vsock address are chosen at each start. What two machines cannot
    share and cannot each have of their own, such as a host device, is refused, all of it at once, unless O(sharing)
    says otherwise.
  - The MAC addresses follow from the hypervisor and the clone's name, so that a clone that is made anew is known to the
    DHCP server. They are never those of another domain of the hypervisor, running or not.
  - A clone that is there is never replaced. Where it was struck from another version than the one asked for,
    RV(clones[].outdated) says so; M(golden.libvirt.revert) brings it to that version.
  - With O(trusted_signers), nothing is done with a version that none of them has signed.
  - The clone is defined first and marked as complete last. What a run that was killed has left is removed and made
    anew by the next run.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - golden.libvirt.connection
  - golden.libvirt.attributes
  - golden.libvirt.image_pool
  - golden.libvirt.batch
  - golden.libvirt.trust
options:
  names:
    description:
      - The clones. Letters, digits, C(.), C(+), C(_) and C(-).
      - A range of numbers stands for that many names, V(web-{01..40}) for web-01, web-02 and so on to web-40.
    type: list
    elements: str
    default: []
    aliases: [name]
  clones:
    description:
      - Clones that differ from what the task says of all.
      - What is not said of a clone is as the task says. Of O(customise), single values can be said anew.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The clone, or a pattern as in O(names).
        type: str
        required: true
      linked:
        description: As for all, for this clone.
        type: bool
      pool:
        description: As for all, for this clone.
        type: str
      memory:
        description: As for all, for this clone.
        type: int
      vcpus:
        description: As for all, for this clone.
        type: int
      title:
        description: As for all, for this clone.
        type: str
      networks:
        description: As for all, for this clone.
        type: list
        elements: str
      disks:
        description: As for all, for this clone.
        type: list
        elements: dict
        suboptions:
          target:
            description: As O(disks[].target).
            type: str
            required: true
          use:
            description: As O(disks[].use).
            type: str
            choices: [own, share, skip]
            default: own
          size:
            description: As O(disks[].size).
            type: str
          linked:
            description: As O(disks[].linked).
            type: bool
          pool:
            description: As O(disks[].pool).
            type: str
      customise:
        description: What this clone's guest is told otherwise, or more.
        type: dict
        suboptions:
          hostname:
            description: As O(customise.hostname).
            type: str
          fqdn:
            description: As O(customise.fqdn).
            type: str
          ssh_keys:
            description: As O(customise.ssh_keys).
            type: list
            elements: str
          user_data:
            description: As O(customise.user_data).
            type: str
          vendor_data:
            description: As O(customise.vendor_data).
            type: str
          credentials:
            description: As O(customise.credentials).
            type: dict
          network_config:
            description: As O(customise.network_config).
            type: dict
      start:
        description: As for all, for this clone.
        type: bool
  exact:
    description:
      - Whether clones that are there and are not named shall be removed, as with O(state=absent).
      - Only those that were struck from the same O(image) (or O(domain)) and have the same O(label), or none where none
        is given, and have volumes in a pool that this task would use. They are removed when all others are done, and
        not where one of these failed, unless O(on_error) is V(continue).
      - With no names at all, all of them are removed.
    type: bool
    default: false
  label:
    description:
      - A group that the clones belong to, such as the service that they run. Kept in the domain's metadata.
      - A clone of no group joins the one that is named. A clone of another group is refused.
    type: str
  on_error:
    description:
      - What becomes of the other clones when one fails.
      - V(continue) makes them. V(stop) begins no more of them; RV(clones[].skipped) tells which. V(rollback) moreover
        removes those that this run has made.
    type: str
    choices: [continue, stop, rollback]
    default: continue
  max_starting:
    description:
      - How many guests may be starting, from power on until what O(wait_for) waits for, at the same time.
        At least 1; O(parallel) by default.
    type: int
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
      - With O(state=absent), only clones of this image (and O(label)) are removed.
    type: str
  version:
    description: The version of O(image).
    type: str
  channel:
    description: The channel of O(image) that points at the version.
    type: str
  domain:
    description:
      - A domain to clone from, instead of an image. Its disks are copied.
      - One that runs goes on; each of its clones is made of its disks as they are at one instant, for which a guest
        whose agent answers writes out what it holds back. Otherwise a clone boots as after a power cut.
    type: str
  snapshot:
    description:
      - A snapshot of O(domain), to clone from instead of its present state. The domain goes on undisturbed.
      - Of one with memory, the disks are taken. A clone starts as after a power cut.
    type: str
  sharing:
    description:
      - What becomes of what two machines cannot share and cannot each have of their own, by the part of the domain that
        it is found in.
      - V(refuse) makes no clone, and names all of it at once. V(keep) lets all clones have it, which cannot all use it
        at the same time. V(drop) leaves it out of the clones.
    type: dict
    suboptions:
      arguments:
        description:
          - Arguments to QEMU (C(qemu:commandline), C(qemu:override)) that fix a MAC or vsock address, a serial number,
            a socket or a port. With V(drop), all arguments go.
        type: str
        choices: [refuse, keep, drop]
        default: refuse
      chardev:
        description:
          - Serial ports, consoles, channels and the like that listen on a port, connect to a socket or are a device of
            the host.
        type: str
        choices: [refuse, keep, drop]
        default: refuse
      disk:
        description:
          - Disks that are a device of the host in its guest's hands (NVMe, vhost-user, vDPA, persistent reservations).
        type: str
        choices: [refuse, keep, drop]
        default: refuse
      filesystem:
        description:
          - Directories of the host that the guest can write to, and those served over a socket.
        type: str
        choices: [refuse, keep, drop]
        default: refuse
      firmware:
        description:
          - Firmware that the guest writes to, and UEFI variables on a device. With V(drop), the firmware is used read-
            only, and the variables are a file made from libvirt's template.
        type: str
        choices: [refuse, keep, drop]
        default: refuse
      hostdev:
        description:
          - Devices of the host.
        type: str
        choices: [refuse, keep, drop]
        default: refuse
      input:
        description:
          - Input devices of the host.
        type: str
        choices: [refuse, keep, drop]
        default: refuse
      interface:
        description:
          - Interfaces that only one domain can have, and forwarded ports, fixed addresses and filters for an address in
            others. With V(drop), of the latter only these go.
        type: str
        choices: [refuse, keep, drop]
        default: refuse
      lease:
        description:
          - Leases of a lock manager.
        type: str
        choices: [refuse, keep, drop]
        default: refuse
      memory:
        description:
          - Memory devices that are a file, and memory shared with others by name.
        type: str
        choices: [refuse, keep, drop]
        default: refuse
      seclabel:
        description:
          - Static security labels, but for owner and group. With V(drop), libvirt makes a label at each start.
        type: str
        choices: [refuse, keep, drop]
        default: refuse
      tpm:
        description:
          - The host's TPM. (Of emulated ones, each clone has its own; see O(tpm).)
        type: str
        choices: [refuse, keep, drop]
        default: refuse
  nvram:
    description:
      - V(copy) gives each clone a copy of the source's UEFI variables, V(reset) new ones, which libvirt makes from its
        template at the first start. Those have no boot entries and no enrolled keys but the template's.
      - Either way they are a volume beside the clone's disks, so that what another domain of its name left in libvirt's
        own directory is neither used nor removed.
    type: str
    choices: [copy, reset]
    default: copy
  tpm:
    description:
      - What is in the emulated TPM of each clone. V(fresh) is nothing; libvirt makes it at the first start.
      - V(copy) is what is in that of O(domain), which must be off. Its endorsement key and its secrets are in both
        machines then, which nobody can tell apart by them. A version or a snapshot has no such state. Nor is it
        copied where it is encrypted with a secret, or not where libvirt puts it. The task must run on the
        hypervisor as root, with O(uri=qemu:///system).
    type: str
    choices: [fresh, copy]
    default: fresh
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
    description: Memory in MiB, if not the source's. At most what the hypervisor has.
    type: int
  vcpus:
    description: Number of virtual processors, if not the source's. At most what the machine type takes.
    type: int
  title:
    description: A title, which virt-manager shows. The source's is never taken over.
    type: str
  networks:
    description: The libvirt networks of the interfaces, in their order. Those beyond stay where the source's are.
    type: list
    elements: str
    default: []
  disks:
    description: What is different for single disks.
    type: list
    elements: dict
    default: []
    suboptions:
      target:
        description: The disk, such as V(vdb).
        type: str
        required: true
      use:
        description:
          - V(own) gives the clone a disk of its own, V(share) the version's, which it can only read, V(skip) none.
        type: str
        choices: [own, share, skip]
        default: own
      size:
        description: The disk's size, such as V(40G), if not the source's. It cannot be less.
        type: str
      linked:
        description: Whether this one is an overlay or a full copy, if not as the others.
        type: bool
      pool:
        description: The storage pool for this one, if not that of the others.
        type: str
  start:
    description: Whether the clones shall run. With V(false), they are left as they are, and off when new.
    type: bool
    default: false
  wait_for:
    description:
      - What to wait for in clones that O(start=true) starts or finds running.
      - V(agent) is an answer of the guest agent; V(address) an IP address that the agent, libvirt's DHCP server or
        the host's ARP table tells; V(ssh) an answer of the ssh server at such an address, port 22, as seen from the
        machine that the task runs on; V(none) does not wait.
    type: str
    choices: [none, agent, address, ssh]
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
        description: Public keys that may log in, as cloud-init's default user, by the other ways as root.
        type: list
        elements: str
        default: []
      user_data:
        description:
          - User data for cloud-init, given to the guest as it is. Begins with C(#cloud-config), C(#!) or another of
            cloud-init's headers.
          - Never shown. Kept in the seed volume, which only its owner and QEMU can read.
        type: str
      vendor_data:
        description: Vendor data for cloud-init, as O(customise.user_data). The user's wins over it.
        type: str
      credentials:
        description:
          - Credentials that the guest's systemd hands to its services (C(LoadCredential=)), by name, at each start.
            Some it uses itself, see systemd.system-credentials(7). Needs systemd 251 or newer in the guest.
          - Never shown. Each is kept in a volume that only its owner and QEMU can read, and is passed through QEMU's
            firmware configuration device. (As SMBIOS strings, the values would be in the domain's XML.)
        type: dict
      network_config:
        description:
          - Network configuration for cloud-init, version 1 or 2.
          - Where there are passwords in it, set C(no_log) on the task.
        type: dict
      seed:
        description:
          - With V(present), the seed of a clone that is there is written anew where what it says has changed. As it
            goes on naming the same instance, cloud-init does at the next start what it does at each, no more;
            C(cloud-init clean) in the guest lets it do all.
          - With V(absent), the seed is removed, from a running clone too, and its secrets with it. Let cloud-init be
            done before. A seed that was removed is not made again.
        type: str
        choices: [present, absent]
        default: present
      via:
        description:
          - V(cloud-init) attaches a small read-only disk (a NoCloud seed) that cloud-init reads at first boot.
          - V(credentials) gives host name and keys to the guest's systemd, as the credentials C(system.hostname)
            (systemd 254 or newer) and C(ssh.authorized_keys.root) (252 or newer).
          - V(agent) tells the running guest, and needs O(start=true). It can carry host name and keys only. It is
            lost when the clone is reverted to its version; the next run of this module says it again.
          - V(offline) writes host name and keys into the disks with virt-customize, before the first start. It needs no
            agent, no cloud-init and no new systemd in the guest, but libguestfs on the hypervisor, on which the
            task must run (C(apt-get install guestfs-tools linux-image-cloud-amd64)); it takes some ten seconds for
            each clone with KVM, minutes without. Lost and said again as with V(agent), the clone being off.
          - V(auto) is V(cloud-init) where the version is sealed with that, else V(agent).
        type: str
        choices: [auto, cloud-init, credentials, agent, offline]
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

- name: Tell guests that have neither cloud-init nor an agent, before they start
  golden.libvirt.clone:
    image: appliance
    channel: stable
    names: [appliance-01, appliance-02]
    customise:
      via: offline
      fqdn: "{name}.example.org"
      ssh_keys:
        - "{{ lookup('file', 'id_ed25519.pub') }}"

- name: Remove the seeds and the secrets in them when the guests are set up
  golden.libvirt.clone:
    image: web
    version: "4"
    names: ["web-{01..40}"]
    customise:
      seed: absent

- name: A larger one on its own disks
  golden.libvirt.clone:
    image: web
    channel: stable
    name: web-big
    linked: false
    pool: fast
    memory: 8192
    vcpus: 4

- name: Forty for the shop, of which two are larger, and no others
  golden.libvirt.clone:
    image: web
    channel: stable
    label: shop
    names: ["web-{01..38}"]
    clones:
      - name: "web-{39..40}"
        memory: 4096
        disks:
          - target: vdb
            size: 40G
            pool: fast
    exact: true
    start: true
    wait_for: agent
    max_starting: 4
    on_error: rollback

- name: One on another network and without the source's host device
  golden.libvirt.clone:
    image: web
    channel: stable
    name: web-test
    networks: [test]
    sharing:
      hostdev: drop

- name: Copy a domain
  golden.libvirt.clone:
    domain: legacy
    name: legacy-copy

- name: Copy it with what its TPM keeps, to take its place
  golden.libvirt.clone:
    domain: legacy
    name: legacy-new
    tpm: copy

- name: Copy it as it was before the upgrade, with more room
  golden.libvirt.clone:
    domain: legacy
    snapshot: before-upgrade
    name: legacy-before
    disks:
      - target: vda
        size: 80G

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
  description: One entry per name, in the order asked for; with O(exact=true) then one for each clone that is removed.
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
    label:
      description: The group that it belongs to, null for none.
      type: str
    state:
      description: V(present) or V(absent).
      type: str
    skipped:
      description: Whether it was not begun because another one failed.
      returned: O(on_error) is not V(continue)
      type: bool
    rolled_back:
      description: Whether it was made and then removed because another one failed.
      returned: O(on_error=rollback)
      type: bool
    outdated:
      description: Whether it was struck from another version than the one asked for now.
      returned: O(state=present)
      type: bool
    addresses:
      description: Its IP addresses.
      returned: O(wait_for) is V(address) or V(ssh)
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

from ansible_collections.golden.libvirt.plugins.module_utils._argspec import IMAGE_POOL, PARALLEL, TRUST, Spec
from ansible_collections.golden.libvirt.plugins.module_utils._run.clone import CLONE
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import run_verb

KINDS = (
    "arguments",
    "chardev",
    "disk",
    "filesystem",
    "firmware",
    "hostdev",
    "input",
    "interface",
    "lease",
    "memory",
    "seclabel",
    "tpm",
)

DISKS: Spec = {
    "target": {"type": "str", "required": True},
    "use": {"type": "str", "choices": ["own", "share", "skip"], "default": "own"},
    "size": {"type": "str"},
    "linked": {"type": "bool"},
    "pool": {"type": "str"},
}

TOLD: Spec = {
    "hostname": {"type": "str"},
    "fqdn": {"type": "str"},
    "ssh_keys": {"type": "list", "elements": "str", "no_log": False},
    "user_data": {"type": "str", "no_log": True},
    "vendor_data": {"type": "str", "no_log": True},
    "credentials": {"type": "dict", "no_log": True},
    "network_config": {"type": "dict"},
}

CUSTOMISE: Spec = {
    **TOLD,
    "ssh_keys": {**TOLD["ssh_keys"], "default": []},
    "seed": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "via": {"type": "str", "choices": ["auto", "cloud-init", "credentials", "agent", "offline"], "default": "auto"},
}

# What a clone may have of its own. Nothing has a default: what is not said is as for all.
OWN: Spec = {
    "linked": {"type": "bool"},
    "pool": {"type": "str"},
    "memory": {"type": "int"},
    "vcpus": {"type": "int"},
    "title": {"type": "str"},
    "networks": {"type": "list", "elements": "str"},
    "disks": {"type": "list", "elements": "dict", "options": DISKS},
    "start": {"type": "bool"},
}
SPEC: Spec = {
    **IMAGE_POOL,
    **TRUST,
    **PARALLEL,
    **OWN,
    "names": {"type": "list", "elements": "str", "default": [], "aliases": ["name"]},
    "clones": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            **OWN,
            "customise": {"type": "dict", "options": TOLD},
        },
    },
    "customise": {"type": "dict", "options": CUSTOMISE},
    "exact": {"type": "bool", "default": False},
    "label": {"type": "str"},
    "on_error": {"type": "str", "choices": ["continue", "stop", "rollback"], "default": "continue"},
    "max_starting": {"type": "int"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "image": {"type": "str"},
    "version": {"type": "str"},
    "channel": {"type": "str"},
    "domain": {"type": "str"},
    "snapshot": {"type": "str"},
    "sharing": {
        "type": "dict",
        "options": {
            kind: {"type": "str", "choices": ["refuse", "keep", "drop"], "default": "refuse"} for kind in KINDS
        },
    },
    "nvram": {"type": "str", "choices": ["copy", "reset"], "default": "copy"},
    "tpm": {"type": "str", "choices": ["fresh", "copy"], "default": "fresh"},
    "linked": {"type": "bool", "default": True},
    "networks": {"type": "list", "elements": "str", "default": []},
    "disks": {"type": "list", "elements": "dict", "options": DISKS, "default": []},
    "start": {"type": "bool", "default": False},
    "wait_for": {"type": "str", "choices": ["none", "agent", "address", "ssh"], "default": "none"},
    "wait_timeout": {"type": "int", "default": 300},
}


def main() -> None:
    run_verb(
        SPEC,
        CLONE,
        required_if=[("state", "present", ["image", "domain"], True), ("exact", False, ["names", "clones"], True)],
        required_by={"snapshot": "domain"},
        mutually_exclusive=[("image", "domain"), ("version", "channel"), ("domain", "version"), ("domain", "channel")],
    )


if __name__ == "__main__":
    main()
