# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no module takes, whatever it does."""

from __future__ import annotations

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._run.task import unfit_options


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        ({"parallel": 0}, ["'parallel' is 0: it is how many at the same time, 1 or more"]),
        ({"parallel": -1, "max_starting": -4}, ["'parallel' is -1", "'max_starting' is -4"]),
        ({"customise": {"user_data": "#!\udcff"}}, ["'customise' has text that is not UTF-8"]),
        ({"clones": [{"customise": {"credentials": {"a": "\udcff"}}}]}, ["'clones' has text that is not UTF-8"]),
        ({"title": "\udcff"}, ["'title' has text that is not UTF-8"]),
        ({"parallel": 1, "max_starting": None, "title": "é\U0001f600"}, []),
    ],
)
def test_it_is_refused_all_at_once(options, refused):
    found = list(unfit_options(options))
    assert len(found) == len(refused)
    assert all(text in said for text, said in zip(refused, found))
