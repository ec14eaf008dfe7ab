# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook refresh: what becomes of clones whose new version does well, does not, or is not to be begun any more.

The clones run without an operating system, but for those that are awaited: for Ansible, their guests are this machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import libvirt
import pytest
from support import versions
from support.lab import COLLECTION

TESTS = """\
- name: Take the hypervisor along
  ansible.builtin.set_fact: {gone: true}
  delegate_to: here
  delegate_facts: true
  when: golden_domain is search('alone')
- name: Look at the version
  ansible.builtin.assert:
    that: golden_domain is not search('bad')
    fail_msg: it is bad
- name: Go away
  ansible.builtin.set_fact: {gone: true}
  when: golden_domain is search('lost')
- name: Go on
  ansible.builtin.command: "true"
"""


@pytest.fixture
def refresh(lab, pytestconfig):
    """Runs the playbook on clones of web, with what a survey gives; its exit code, what it prints, its artifact."""
    if pytestconfig.getoption("--stack") == "ssh":
        pytest.skip("the playbook runs the modules itself")
    (lab.path / "tests.yml").write_text(TESTS)
    (lab.path / "hosts").write_text(f"here ansible_python_interpreter={sys.executable}\n")
    variables = {
        "golden_hosts": "here",
        "golden_uri": lab.uri,
        "golden_image_pool": lab.pool,
        "refresh_image": "web",
        "refresh_tasks": f"{lab.path}/tests.yml",
        "refresh_connection": "agent",
        "refresh_wait_for": "none",
        # As a survey leaves what is not answered.
        **dict.fromkeys(("names", "label", "channel", "version", "serial", "max_failures", "commands", "undo_for"), ""),
        # A guest is this machine, until it is gone: nothing listens on that port.
        "ansible_connection": "{{ 'ssh' if gone | default(false) else 'local' }}",
        "ansible_host": "127.0.0.1",
        "ansible_port": 1,
    }
    variables = {f"refresh_{key}" if value == "" else key: value for key, value in variables.items()}

    def run(*options, **survey):
        asked = {**variables, **{f"refresh_{key}": value for key, value in survey.items()}}
        done = subprocess.run(
            ["ansible-playbook", "-i", str(lab.path / "hosts"), "golden.libvirt.refresh", "-e", json.dumps(asked)]
            + list(options),
            env={
                **os.environ,
                "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]),
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_SHOW_CUSTOM_STATS": "1",
                "ANSIBLE_PIPELINING": "1",
            },
            check=False,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def fleet(lab, *names, **options) -> list[str]:
    """Clones of the stable version, which is 1; then it is 2."""
    versions.add(lab, "web", "1", **options)
    stable(lab, "1")
    full = [f"{lab.prefix}-{name}" for name in names]
    args = {"image": "web", "channel": "stable", "names": full, "image_pool": lab.pool, "start": True, "label": "shop"}
    made = lab.run("clone", {**args, "wait_for": "agent" if options.get("guest") else "none", "parallel": 4})
    assert not made.get("failed"), made
    versions.add(lab, "web", "2", **options)
    stable(lab, "2")
    return full


def stable(lab, version) -> None:
    assert not lab.run("channel", {"image": "web", "name": "stable", "version": version, "image_pool": lab.pool}).get(
        "failed"
    )


def version(lab, name) -> str:
    return lab.read(lab.disk_path(name), 12)[-1:].decode()


def kept(lab) -> list[str]:
    return [name for pool in lab.pools() for name in pool.listVolumes() if ".before" in name]


def test_real_guests_are_refreshed_several_at_a_time_and_the_second_run_changes_nothing(lab, refresh):
    names = fleet(lab, "a", "b", guest=True)
    (off,) = [f"{lab.prefix}-off"]
    lab.run("clone", {"image": "web", "version": "1", "name": off, "image_pool": lab.pool})
    for name in names:
        lab.guest(name).write("vda", 4096, "mine")
    code, said = refresh("--check", serial="2", wait_for="agent")
    assert code == 0 and f"{names[0]} on here: would be refreshed to version 2" in said, said
    assert [version(lab, name) for name in names] == ["1", "1"]
    code, said = refresh(serial="2", wait_for="agent", undo_for="2h")
    assert code == 0 and f"{off} on here: unchanged it follows no channel" in said, said
    assert [lab.guest(name).read("vda", 0, 12) for name in names] == ["golden vda 2"] * 2
    assert '"golden_refresh"' in said and '"status": "refreshed"' in said
    assert len(kept(lab)) == 2
    code, said = refresh(wait_for="agent")
    assert code == 0 and all(f"{name} on here: unchanged" in said for name in names) and "changed=0" in said, said
    lab.run("revert", {"domain": names[0], "to": "before", "image_pool": lab.pool, "wait_for": "agent"})
    assert lab.guest(names[0]).read("vda", 4096, 4) == "mine"


def test_what_does_not_pass_is_put_back_and_what_comes_after_too_many_is_not_begun(lab, refresh):
    good, lost, bad, last = names = fleet(lab, "good", "lost", "u-bad", "v-last")
    for name in names:
        lab.domain(name).destroy()
        lab.write(lab.disk_path(name), b"mine", offset=4096)
        lab.domain(name).create()
    code, said = refresh(label="shop", max_failures="25%", undo_for="0")
    assert code != 0
    for name, status in ((good, "refreshed"), (lost, "put back"), (bad, "put back"), (last, "not begun")):
        assert f"{name} on here: {status}" in said, said
        assert version(lab, name) == ("2" if status == "refreshed" else "1")
        assert lab.state(name) == "running"
        lab.domain(name).destroy()
        assert (lab.read(lab.disk_path(name), 4, offset=4096) == b"mine") is (status != "refreshed")
    assert "Look at the version: it is bad" in said and "could not be reached any more" in said
    assert f"3 of 4 clones were not refreshed: {lost}, {bad}, {last}." in said, said
    assert kept(lab) == []


@pytest.mark.parametrize("serial", ["-1", "0", "25%"])
def test_all_at_once_is_never_meant(lab, refresh, serial):
    (name,) = fleet(lab, "a")
    code, output = refresh(serial=serial)
    assert f"refresh_serial is {serial}: it is how many clones at a time, a whole number, 1 or more" in output
    assert (code != 0, version(lab, name)) == (True, "1")


def test_clones_that_are_off_stay_off_and_those_named_that_are_not_there_are_told(lab, refresh):
    names = fleet(lab, "a", "b", guest=True)
    for name in names:
        lab.domain(name).destroy()
    code, said = refresh(names=names[0], wait_for="agent", tasks="", undo_for="0")
    assert code == 0 and f"{names[0]} on here: refreshed" in said and names[1] not in said.split("Say what")[1], said
    code, said = refresh(
        names=f"{names[1]},nobody\n{names[1]},nobody", serial="2", start_off="false", version="2", undo_for="0"
    )
    assert code != 0 and "nobody: no such clone of web" in said and f"{names[1]} on here: refreshed" in said, said
    assert "1 of 2 clones were not refreshed: nobody." in said, said
    assert [(version(lab, name), lab.state(name)) for name in names] == [("2", "shutoff")] * 2 and kept(lab) == []


def test_what_a_killed_run_has_begun_is_tested_by_the_next(lab, refresh):
    good, bad, kept_bad = fleet(lab, "a-good", "b-bad", "c-bad")
    begun = {"domains": [good, bad], "to": "version", "channel": "stable", "image_pool": lab.pool}
    assert not lab.run("revert", {**begun, "undo_for": "settled"}).get("failed")
    # Not begun by a run: somebody keeps that for himself.
    assert not lab.run("revert", {**begun, "domains": [kept_bad], "undo_for": "ever"}).get("failed")
    lab.domain(good).destroy()
    # With fewer forks than clones at a time, nor is one that is being tested one that did not pass.
    code, said = refresh("--forks=1", serial="2", undo_for="")
    assert code != 0 and f"{good} on here: refreshed" in said and f"{bad} on here: put back" in said, said
    assert f"{kept_bad} on here: unchanged" in said, said
    assert [version(lab, name) for name in (good, bad, kept_bad)] == ["2", "1", "2"] and lab.state(good) == "running"
    assert sorted(kept(lab)) == [f"{good}.before.2.json", f"{kept_bad}.before.json"]


def test_a_clone_that_cannot_be_refreshed_is_what_it_was(lab, refresh):
    (name,) = fleet(lab, "a")
    lab.run("snapshot", {"domain": name, "name": "one"})
    code, said = refresh()
    assert code != 0 and f"{name} on here: failed Bring it to the version" in said and "would be lost" in said, said
    assert version(lab, name) == "1" and lab.domain(name).snapshotNum() == 1
    (lab.path / "signers").touch()
    code, said = refresh("-e", f"golden_trusted_signers={lab.path}/signers", force="true")
    assert code != 0 and "web 2 is not signed" in said and version(lab, name) == "1", said
    code, said = refresh(force="true")
    assert code == 0 and version(lab, name) == "2", said
    assert lab.domain(name).state()[0] == libvirt.VIR_DOMAIN_RUNNING


def test_a_hypervisor_that_is_gone_hides_nothing_and_the_next_run_goes_on(lab, refresh):
    alone, later = fleet(lab, "a-alone-bad", "b")
    code, said = refresh(max_failures="100%")
    assert code != 0 and "2 of 2 clones were not refreshed" in said, said
    assert f"{alone} on here: failed Look at the version: it is bad; and putting it back failed: " in said, said
    assert f"{later} on here: failed it could not be reached any more; it may have gone to the version" in said, said
    assert (version(lab, alone), version(lab, later)) == ("2", "1")
    code, said = refresh(tasks="")
    assert code == 0 and all(f"{name} on here: refreshed" in said for name in (alone, later)), said
