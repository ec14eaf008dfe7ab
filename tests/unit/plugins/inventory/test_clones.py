# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What domains and guests say of themselves is no template on the machine that Ansible runs on."""

from __future__ import annotations

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar
from ansible_collections.golden.libvirt.plugins.inventory.clones import told


@pytest.mark.parametrize("text", ["web-01", "{{ 1 + 1 }}", "{% if true %}x{% endif %}", "#jinja2: lstrip_blocks: true"])
def test_text_is_never_a_template(text):
    templar = Templar(DataLoader())
    for value in (text, [text], {"said": text}):
        assert templar.template(told(value)) == value


def test_what_is_no_text_is_what_it_was():
    assert told({"a": None, "b": [True, 2], "c": {}}) == {"a": None, "b": [True, 2], "c": {}}
