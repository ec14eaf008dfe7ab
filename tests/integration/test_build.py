# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook build where there is nothing to build; with guests the demo runs it."""

from __future__ import annotations

import json
import os
import subprocess


def test_a_recipe_that_has_a_version_starts_no_guest(lab):
    source = lab.machine("source")
    made = {"domain": source, "image": "web", "image_pool": lab.pool, "sealed": False, "recipe": "r1"}
    assert not lab.run("promote", {**made, "channels": ["stable"]}).get("failed")
    before = lab.world()
    extra = {
        "golden_hosts": "localhost",
        "golden_uri": lab.uri,
        "golden_image_pool": lab.pool,
        "build_image": "web",
        "build_domain": f"{lab.prefix}-build",
        "build_recipe": "r1",
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
    }
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "golden.libvirt.build", "-e", json.dumps(extra)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing to build: version 1 of web has this recipe." in done.stdout
    assert lab.world() == before
