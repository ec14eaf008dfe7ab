# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook patch: what becomes of domains whose guests do well, fail, or cannot be reached any more.

The domains run without an operating system: for Ansible, their guests are this machine, and the tasks write to the
domains' disks as guests would.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest
from support.lab import COLLECTION

POKE = """\
import pathlib, sys, tempfile, types
sys.path[:0] = [{support!r}]
import libvirt
from support.poke import poke
domain = libvirt.open({uri!r}).lookupByName(sys.argv[1])
lab = types.SimpleNamespace(domain=lambda name: domain, path=pathlib.Path(tempfile.mkdtemp(dir={path!r})))
lab.path.chmod(0o711)
poke(lab, sys.argv[1], "vda", b"patched")
"""
TASKS = """\
- name: Write
  ansible.builtin.command: {python} {path}/poke.py {{{{ golden_domain }}}}
- name: Go away
  ansible.builtin.set_fact: {{gone: true}}
  when: golden_domain is search('lost')
- name: Go on
  ansible.builtin.command: "true"
"""
CHECKS = """\
- name: Look whether it is broken
  ansible.builtin.assert:
    that: golden_domain is not search('broken')
    fail_msg: it is broken
"""


@pytest.fixture
def patch(lab, pytestconfig):
    """Runs the playbook on the domains, with what a survey gives; its exit code and what it prints."""
    if pytestconfig.getoption("--stack") == "ssh":
        pytest.skip("the playbook runs the modules itself")
    values = {
        "python": sys.executable,
        "path": str(lab.path),
        "uri": lab.uri,
        "support": str(pathlib.Path(__file__).parent),
    }
    for name, text in (("poke.py", POKE), ("tasks.yml", TASKS), ("checks.yml", CHECKS)):
        (lab.path / name).write_text(text.format(**values))
    variables = {
        "golden_hosts": "here",
        "golden_uri": lab.uri,
        "patch_tasks": f"{lab.path}/tasks.yml",
        "patch_checks": f"{lab.path}/checks.yml",
        "patch_gather_facts": "false",
        "patch_connection": "agent",
        # A guest is this machine, until it is gone: nothing listens on that port.
        "ansible_connection": "{{ 'ssh' if gone | default(false) else 'local' }}",
        "ansible_host": "127.0.0.1",
        "ansible_port": 1,
    }

    def run(domains, **survey):
        asked = {**variables, "patch_domains": ",".join(domains), **survey}
        (lab.path / "hosts").write_text(f"here ansible_python_interpreter={sys.executable}\n")
        done = subprocess.run(
            ["ansible-playbook", "-i", str(lab.path / "hosts"), "golden.libvirt.patch", "-e", json.dumps(asked)],
            env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]), "ANSIBLE_NOCOLOR": "1"},
            check=False,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def patched(lab, name):
    return lab.read(lab.disk_path(name), 7) == b"patched"


def snapshots(lab, name):
    return [one.getName() for one in lab.domain(name).listAllSnapshots(0)]


def test_a_domain_that_fails_or_is_lost_is_brought_back_and_named_and_the_others_go_on(lab, patch):
    domains = [lab.machine(name, state="running") for name in ("lost", "good", "broken", "last")]
    off = lab.machine("off")
    code, said = patch([*domains, off, off])
    assert code != 0
    for name, status in zip(domains, ("reverted", "kept", "reverted", "kept")):
        assert f"{name} on here: {status}" in said, said
        assert patched(lab, name) == (status == "kept") and lab.state(name) == "running"
    assert "Look whether it is broken: it is broken" in said and "could not be reached any more" in said
    assert f"{off}: does not run" in said and snapshots(lab, off) == []
    assert f"3 of 5 domains were not patched: {domains[0]}, {domains[2]}, {off}." in said, said


def test_all_at_once_with_the_last_snapshot_kept(lab, patch):
    domains = [lab.machine(name, state="running") for name in "ab"]
    for snapshot in ("first", "second"):
        code, said = patch(domains, patch_serial="2", patch_snapshot=snapshot, patch_keep="")
        assert code == 0, said
        assert [snapshots(lab, name) for name in domains] == [[snapshot]] * 2
    assert all(patched(lab, name) for name in domains)
    code, said = patch(domains[:1], patch_snapshot="second")
    assert code != 0 and "already, which holds an older state" in said and f"{domains[0]} on here: untouched" in said
    code, said = patch(domains[:1], patch_snapshot="third", patch_keep="0")
    assert code == 0 and snapshots(lab, domains[0]) == ["second"], said
