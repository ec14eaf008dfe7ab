# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: clones
short_description: Clones of images as inventory hosts
version_added: "0.1.0"
description:
  - Makes an inventory host of every domain that descends from a version of an image, on one hypervisor or on many,
    which are read at the same time.
  - The configuration is a YAML file whose name ends with C(golden.yml), C(golden.yaml), C(clones.yml) or
    C(clones.yaml).
  - The hosts are in the groups C(golden_clones), C(golden_image_IMAGE), C(golden_version_IMAGE_VERSION),
    C(golden_channel_CHANNEL), C(golden_hypervisor_NAME) and C(golden_state_STATE), and where their channel points at
    another version now in C(golden_outdated). Characters that group names cannot have become C(_).
  - All that M(golden.libvirt.image_info) tells of a clone is a variable of its host with C(golden_) before it, such as
    C(golden_version), but the name, which is C(golden_domain). C(golden_uri), C(golden_hypervisor) and
    C(golden_addresses) are there too.
  - A host is called as its domain is. Where several hypervisors have a clone of the same name, all of these are called
    C(NAME@HYPERVISOR).
notes:
  - A hypervisor is called as the machine in its URI, else as the machine that Ansible runs on. The second of the same
    name gets C(-2) after it, and so on.
author:
  - The golden.libvirt developers (@golden-libvirt)
extends_documentation_fragment:
  - ansible.builtin.constructed
  - ansible.builtin.inventory_cache
  - golden.libvirt.image_pool
requirements:
  - libvirt-python >= 9.0 and lxml >= 4.6, in the Python that Ansible runs with
options:
  plugin:
    description: Says that the file is for this plugin.
    type: str
    required: true
    choices: [golden.libvirt.clones]
  uris:
    description:
      - The connections to libvirt, as seen from where Ansible runs.
      - One over ssh must not ask for anything; C(no_tty=1) in the URI lets it fail instead.
      - They can be templates, such as of what the environment says.
    type: list
    elements: str
    default: ["qemu:///system"]
  images:
    description: The images whose clones are told; all by default.
    type: list
    elements: str
    default: []
  connection:
    description:
      - How the guests are reached.
      - V(agent) runs things through the guest agent (C(community.libvirt.libvirt_qemu)); no network to the guest is
        needed, and C(ansible_host) is the domain.
      - V(ssh) sets C(ansible_host) to the guest's address, as its agent, libvirt's DHCP server or the ARP table of the
        hypervisor knows it. IPv4 is preferred. Where none is known, the host's name has to do.
      - V(jump) is V(ssh) through the hypervisor, for those that are reached by ssh themselves.
      - V(auto) is V(agent) where the collection community.libvirt is present, else V(ssh).
    type: str
    choices: [auto, agent, ssh, jump]
    default: auto
  unreachable:
    description:
      - What to do where a hypervisor cannot be read. V(warn) leaves its clones out, V(fail) fails.
      - What went wrong is also in the variable C(golden_unreachable) of the group C(golden_clones), by hypervisor.
    type: str
    choices: [warn, fail]
    default: warn
  timeout:
    description: Seconds within which the hypervisors must have answered.
    type: int
    default: 60
seealso:
  - module: golden.libvirt.image_info
  - module: golden.libvirt.clone
"""

EXAMPLES = r"""
# production.golden.yml: clones on two hypervisors, reached by ssh through these. Only the first line has to be there.
plugin: golden.libvirt.clones
uris:
  - qemu+ssh://root@hv-1.example.org/system
  - qemu+ssh://root@hv-2.example.org/system
images: [web, db]
connection: jump
unreachable: fail
compose:
  ansible_user: "'admin'"
groups:
  retired: golden_revoked or golden_orphaned
keyed_groups:
  - key: golden_created[:7]
    prefix: since
# Read anew every ten minutes at most.
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: /var/tmp/golden-inventory
cache_timeout: 600
"""

import json
import re
import socket
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.plugins.loader import connection_loader
from ansible.utils.unsafe_proxy import wrap_var
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._run import fleet

try:
    from ansible.template import trust_as_template as plain
except ImportError:  # before ansible-core 2.19 all text is, unless it is wrapped
    plain = str

PLAIN = re.compile(r"[^{}%#]*")
NAMES = re.compile(r".*(golden|clones)\.ya?ml")


def told(value: Any) -> Any:
    """A variable's value as what it is, text never as a template.

    Text without anything that templates are made of is told to be plain: in what is exported, newer versions of Ansible
    write other text as a dictionary, which AWX would show instead.
    """
    if isinstance(value, str):
        return plain(value) if PLAIN.fullmatch(value) else wrap_var(value)
    if isinstance(value, Mapping):
        return {key: told(item) for key, item in value.items()}
    return [told(item) for item in value] if isinstance(value, (list, tuple)) else value


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]  # Ansible has no types
    """Clones of images as inventory hosts."""

    NAME = "golden.libvirt.clones"

    def verify_file(self, path: str) -> bool:
        """Whether a file may be for this plugin, by its name."""
        return bool(super().verify_file(path) and NAMES.fullmatch(path))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Fill *inventory*; *cache* says whether what was cached may be used."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            found = self.found(self.get_cache_key(path), cache)
        except GoldenError as err:
            raise AnsibleParserError(str(err)) from err
        labels = fleet.labels_of(found, socket.gethostname())
        failed = {labels[uri]: str(answer) for uri, answer in found.items() if isinstance(answer, GoldenError)}
        if failed and self.get_option("unreachable") == "fail":
            raise AnsibleParserError(" ".join(failed.values()))
        for message in failed.values():
            self.display.warning(message)
        for group in (fleet.ALL, fleet.OUTDATED):
            self.inventory.add_group(group)
        self.inventory.set_variable(fleet.ALL, "golden_unreachable", told(failed))
        read = {uri: answer for uri, answer in found.items() if not isinstance(answer, GoldenError)}
        for host in fleet.hosts_of(read, labels, self.connection()):
            self.add(told(host.name), host.variables, host.groups)

    def found(self, key: str, cache: bool) -> Mapping[str, fleet.Found]:
        """What is known of each hypervisor. What could not be read is not cached, so that it is tried again."""
        keep = self.get_option("cache")
        pool, images = self.get_option("image_pool"), self.get_option("images")
        uris = self.templar.template(self.get_option("uris"))
        asked = {uri: json.dumps([uri, pool, sorted(images)]) for uri in uris}
        known = self._cache.get(key, {}) if keep and cache else {}
        there = {uri: known[of] for uri, of in asked.items() if of in known}
        missing = [uri for uri in uris if uri not in there]
        there.update(fleet.read_fleet(missing, pool, images, self.get_option("timeout")))
        if keep and missing:
            read = {of: there[uri] for uri, of in asked.items() if not isinstance(there[uri], GoldenError)}
            self._cache[key] = {**known, **read}
        return {uri: there[uri] for uri in asked}

    def connection(self) -> str:
        """How the guests are reached: agent, ssh or jump."""
        asked: str = self.get_option("connection")
        if asked != "auto":
            return asked
        return "agent" if connection_loader.find_plugin("community.libvirt.libvirt_qemu") else "ssh"

    def add(self, name: str, variables: Mapping[str, Any], groups: tuple[str, ...]) -> None:
        """One host, its *name* no template, with what the configuration composes from its variables."""
        for group in groups:
            self.inventory.add_host(name, group=self.inventory.add_group(group))
        for variable, value in variables.items():
            self.inventory.set_variable(name, variable, told(value))
        known, strict = self.inventory.get_host(name).get_vars(), self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), known, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), known, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), known, name, strict=strict)
