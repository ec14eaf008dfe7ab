# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no module takes, whatever it does."""

from __future__ import annotations

import json

import pytest
from ansible.module_utils import basic
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import Module, unfit_options
from ansible_collections.golden.libvirt.plugins.modules import clone, image_info

SECRET = {"name": "a", "customise": {"credentials": {"a": "\udcff"}}}


@pytest.mark.parametrize(
    ("params", "refused"),
    [
        ({"parallel": 0}, ["'parallel' is 0: it is how many at the same time, 1 or more"]),
        ({"parallel": -1, "max_starting": -4}, ["'parallel' is -1", "'max_starting' is -4"]),
        ({"customise": {"user_data": "#!\udcff"}}, ["'customise' has text that is not UTF-8"]),
        ({"clones": [SECRET]}, ["'clones' has text that is not UTF-8"]),
        ({"title": "\udcff", "parallel": 0}, ["'title' has text", "'parallel' is 0"]),
        ({"parallel": 1, "max_starting": 1, "title": "é\U0001f600"}, []),
        ({"max_starting": None}, []),
    ],
)
def test_what_is_unfit_is_said_all_at_once(params, refused):
    found = list(unfit_options(params))
    assert len(found) == len(refused) and all(any(text in one for one in found) for text in refused)


@pytest.mark.parametrize("spec", [clone.SPEC, image_info.SPEC])
def test_a_module_ends_where_an_option_is_unfit(monkeypatch, capsys, spec):
    args = {"ANSIBLE_MODULE_ARGS": {"parallel": -1}}
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps(args).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    with pytest.raises(SystemExit):
        Module(argument_spec=spec)
    assert "'parallel' is -1: it is how many" in json.loads(capsys.readouterr().out)["msg"]
