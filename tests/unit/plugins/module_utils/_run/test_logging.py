# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system's log is told when a module is called."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import basic
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Module
from ansible_collections.golden.libvirt.plugins.modules.clone import SPEC

SECRETS = {
    "user_data": "#cloud-config\npassword: horse\n",
    "vendor_data": "#cloud-config\nchpasswd: 'horse' \"horse\"\n",
    "credentials": {"db.password": "one\\horse", "db.key": "a horse\n\thas\nlines"},
}


@pytest.mark.parametrize("args", [{"customise": SECRETS}, {"clones": [{"name": "a", "customise": SECRETS}]}])
def test_no_secret_is_logged(monkeypatch, args):
    said = []
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    monkeypatch.setattr(basic.AnsibleModule, "log", lambda self, text, log_args=None: said.append((text, log_args)))
    Module(argument_spec=SPEC)
    assert "customise" in str(said)
    assert "horse" not in str(said)
