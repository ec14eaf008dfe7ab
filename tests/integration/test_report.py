# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook report on two hypervisors."""

from __future__ import annotations

import json
import os
import re
import subprocess

from support import versions
from support.lab import Lab
from support.stack import stack

HOSTILE = '"><script>alert(1)</script>'


def test_two_hypervisors_are_told_on_one_page_that_needs_nothing_else(lab):
    versions.add(lab, "web", "1", labels={"note": HOSTILE})
    versions.add(lab, "web", "2", parent=("web", "1"))
    lab.run("image", {"image": "web", "version": "1", "image_pool": lab.pool, "state": "revoked", "reason": HOSTILE})
    lab.run("channel", {"image": "web", "name": "stable", "version": "2", "image_pool": lab.pool})
    lab.run("clone", {"name": f"{lab.prefix}-a", "image": "web", "channel": "stable", "image_pool": lab.pool})
    page = lab.path / "golden.html"
    with stack() as uri:
        other = Lab(uri, lab.prefix, lab.path)  # the pool's directory is the same, the domains are not
        hosts = {"kvm1": {"golden_uri": lab.uri}, "kvm2": {"golden_uri": uri}}
        inventory = lab.path / "hosts.json"
        inventory.write_text(json.dumps({"hypervisors": {"hosts": hosts}}))
        output = play("report", inventory, report_path=page, golden_image_pool=lab.pool)
        other.conn.close()
    text, data = page.read_text(encoding="utf-8"), json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r'(src|href)="(?!#)|url\(|@import', text)
    (web,) = [image for image in data["images"] if image["name"] == "web"]
    assert [(of["version"], of["state"], of["on"]) for of in web["versions"]] == [
        ("2", "active", ["kvm1", "kvm2"]),
        ("1", "revoked", ["kvm1", "kvm2"]),
    ]
    assert [(of["name"], of["hypervisor"]) for of in web["clones"]] == [(f"{lab.prefix}-a", "kvm1")]
    assert re.search(r"web +2 +active +stable .* 1 +all", output)


def play(name, inventory, **variables):
    """What a playbook of the collection says."""
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    extra = json.dumps({**local, **{key: str(value) for key, value in variables.items()}})
    done = subprocess.run(
        ["ansible-playbook", "-i", inventory, f"golden.libvirt.{name}", "-e", extra],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "PWD": str(inventory.parent)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
