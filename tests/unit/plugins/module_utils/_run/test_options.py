# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no module takes, whatever it does."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import basic
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Module
from ansible_collections.golden.libvirt.plugins.modules import clone, image_info


def said(monkeypatch, capsys, spec, args) -> str:
    """With what message the module ends; empty where it does not."""
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": args}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    try:
        Module(argument_spec=spec)
    except SystemExit:
        return json.loads(capsys.readouterr().out)["msg"]
    return ""


@pytest.mark.parametrize(
    ("spec", "args", "refused"),
    [
        (clone.SPEC, {"parallel": 0}, ["'parallel' is 0: it is how many at the same time, 1 or more"]),
        (clone.SPEC, {"parallel": -1, "max_starting": -4}, ["'parallel' is -1", "'max_starting' is -4"]),
        (image_info.SPEC, {"parallel": -1}, ["'parallel' is -1"]),
        (clone.SPEC, {"customise": {"user_data": "#!\udcff"}}, ["'customise' has text that is not UTF-8"]),
        (clone.SPEC, {"clones": [{"name": "a", "customise": {"credentials": {"a": "\udcff"}}}]}, ["'clones' has text"]),
        (clone.SPEC, {"title": "\udcff"}, ["'title' has text that is not UTF-8"]),
        (clone.SPEC, {"parallel": 1, "max_starting": 1, "title": "é\U0001f600"}, []),
        (clone.SPEC, {}, []),
    ],
)
def test_it_is_refused_all_at_once(monkeypatch, capsys, spec, args, refused):
    message = said(monkeypatch, capsys, spec, args)
    assert bool(message) == bool(refused)
    assert all(text in message for text in refused)
