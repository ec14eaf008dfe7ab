# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What domains and guests say of themselves is no template on the machine that Ansible runs on."""

from __future__ import annotations

import pytest
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.golden.libvirt.plugins.inventory import clones
from ansible_collections.golden.libvirt.plugins.inventory.clones import told


@pytest.mark.parametrize("text", ["web-01", "{{ 1 + 1 }}", "{% if true %}x{% endif %}", "#jinja2: lstrip_blocks: true"])
def test_text_is_never_a_template(text):
    templar = Templar(DataLoader())
    for value in (text, [text], {"said": text}):
        assert templar.template(told(value)) == value


def test_what_is_no_text_is_what_it_was():
    assert told({"a": None, "b": [True, 2], "c": {}}) == {"a": None, "b": [True, 2], "c": {}}


def test_a_hosts_name_is_never_a_template(monkeypatch):
    clone = {"name": "{{ 1 + 1 }}", "image": "web", "version": "1", "channel": None, "state": "shutoff"}
    found = {"qemu:///system": [{**clone, "outdated": False, "addresses": []}]}
    options = {"connection": "agent", "unreachable": "warn", "strict": False}
    plugin, inventory = clones.InventoryModule(), InventoryData()
    for name, value in {
        "_read_config_data": lambda path: {},
        "get_cache_key": lambda path: "",
        "found": lambda key, cache: found,
        "get_option": lambda option: options.get(option, {}),
    }.items():
        monkeypatch.setattr(plugin, name, value)
    plugin.parse(inventory, DataLoader(), "golden.yml")
    host = inventory.get_host("{{ 1 + 1 }}")
    assert [of.name for of in inventory.groups["golden_image_web"].get_hosts()] == [host.name]
    templar = Templar(DataLoader(), variables={"inventory_hostname": host.name, **host.get_vars()})
    for text in ("inventory_hostname", "ansible_host", "golden_domain"):
        assert templar.template(clones.plain("{{ " + text + " }}")) == "{{ 1 + 1 }}"
