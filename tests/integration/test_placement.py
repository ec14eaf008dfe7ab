# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One list of names on several hypervisors: the playbook clone on three daemons, each with its own pool."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess

import pytest
from support import versions
from support.lab import Lab
from support.stack import stack

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
# A play after the playbook, to which the clones are hosts.
BOOK = """\
- ansible.builtin.import_playbook: golden.libvirt.clone
- hosts: golden_clones
  gather_facts: false
  vars: {ansible_connection: local}
  tasks:
    - ansible.builtin.debug:
        msg: "{{ inventory_hostname }} is on {{ golden_hypervisor }} at {{ ansible_libvirt_uri }}"
"""
# A play of somebody's own, which takes one hypervisor after the other.
SERIAL = """\
- hosts: hypervisors
  serial: 1
  gather_facts: false
  roles:
    - role: golden.libvirt.clones
      vars:
        clones_uri: "{{ golden_uri }}"
        clones_image_pool: "{{ golden_image_pool }}"
        clones_image: web
        clones_version: "1"
        clones_names: ["{{ clone_names }}"]
        clones_hypervisors: "{{ groups.hypervisors }}"
        clones_unreachable: warn
"""


@pytest.fixture
def fleet(lab, pytestconfig):
    """Three hypervisors by their names in the inventory; the third has no version of web yet."""
    if pytestconfig.getoption("--stack") == "ssh":
        pytest.skip("the playbook runs the modules itself")
    with contextlib.ExitStack() as ending:
        found = {}
        for name in ("kvm1", "kvm2", "kvm3"):
            found[name] = Lab(ending.enter_context(stack()), f"{lab.prefix}-{name}", lab.path / name)
            ending.callback(close, found[name], lab.prefix)
        for name in ("kvm1", "kvm2"):
            add_version(found[name])
        yield found


def close(of, prefix):
    """Remove all that is on a hypervisor, the clones too."""
    of.prefix = prefix
    of.close()


def add_version(of):
    versions.add(of, "web", "1", first_boot="cloud-init")


@pytest.fixture
def play(fleet, lab):
    return Playbook(fleet, lab)


class Playbook:
    """Runs the playbook clone; what it said is in *said*."""

    def __init__(self, fleet, lab) -> None:
        self.fleet = fleet
        self.lab = lab
        self.said = ""

    def __call__(self, names, *options, more=(), fails=False, text=BOOK, **variables):
        """For the clones *names*, on the fleet and *more* hypervisors, which nothing listens for."""
        there = {name: {"golden_uri": of.uri, "golden_image_pool": of.pool} for name, of in self.fleet.items()}
        gone = {name: {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1} for name in more}
        inventory, book = self.lab.path / "hosts.json", self.lab.path / "book.yml"
        inventory.write_text(json.dumps({"hypervisors": {"hosts": {**there, **gone}}, "all": {"vars": LOCAL}}))
        book.write_text(text)
        extra = {
            "clone_image": "web",
            "clone_version": "1",
            "clone_names": f"{self.lab.prefix}-{names}",
            "clone_wait_for": "none",
            "clones_start": False,
            "clones_connection": "agent",
            **variables,
        }
        done = subprocess.run(
            ["ansible-playbook", "-i", inventory, book, "-e", json.dumps(extra), *options],
            check=False,
            capture_output=True,
            text=True,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCALHOST_WARNING": "false"},
        )
        self.said = " ".join((done.stdout + done.stderr).split())
        assert (done.returncode != 0) == fails, done.stdout + done.stderr
        return self

    @property
    def changed(self) -> int:
        """How many tasks changed something, on all hosts."""
        return sum(map(int, re.findall(r"changed=(\d+)", self.said)))

    def where(self) -> list[list[str]]:
        """The clones that each daemon has, without the prefix."""
        return [
            sorted(domain.name().removeprefix(f"{self.lab.prefix}-") for domain in of.conn.listAllDomains(0))
            for of in self.fleet.values()
        ]


def test_what_single_guests_are_told_is_not_shown(play, lab):
    told = {"user_data": "#cloud-config\n# a horse\n", "credentials": {"db.password": "horse"}}
    play("1", "-vvv", clones_settings=[{"name": f"{lab.prefix}-2", "customise": told}])
    assert f"{lab.prefix}-2 on kvm" in play.said
    assert "horse" not in play.said


def test_each_name_is_made_once_where_the_version_is_and_stays_there(fleet, lab, play):
    assert play("w{1..5}", "--check").changed == 2
    assert play.where() == [[], [], []]
    play("w{1..5}")
    two = [["w1", "w3", "w5"], ["w2", "w4"]]
    assert play.where() == [*two, []]
    for name, hypervisor in (("w1", "kvm1"), ("w2", "kvm2"), ("w3", "kvm1")):
        assert f"{lab.prefix}-{name} on {hypervisor}: changed" in play.said
        assert f"{lab.prefix}-{name} is on {hypervisor} at {fleet[hypervisor].uri}" in play.said
    # A hypervisor more moves nothing, nor does a map that says otherwise: it is told.
    add_version(fleet["kvm3"])
    play("w{1..7}", clone_map=f"{lab.prefix}-w1=kvm2")
    assert play.where() == [*two, ["w6", "w7"]]
    assert f"{lab.prefix}-w1 is on kvm1, not on kvm2; it stays there" in play.said
    assert play("w{1..7}").changed == 0
    # Fewer, and no others. Of a hypervisor where none stays the version may be gone.
    (fleet["kvm3"].path / "pool" / "golden.web.1.manifest.json").unlink()
    play("w{2..5}", clone_exact=True)
    assert play.where() == [["w3", "w5"], ["w2", "w4"], []]
    play("w{1..7}", clone_state="absent")
    assert play.where() == [[], [], []]


def test_a_clone_that_another_run_places_elsewhere_at_the_same_moment_is_told(fleet, lab, play):
    """The other run comes when the hypervisors were read: a lookup in what the decision needs is that run."""
    name = f"{lab.prefix}-w1"
    other = {"uri": fleet["kvm2"].uri, "image_pool": fleet["kvm2"].pool, "image": "web", "version": "1", "name": name}
    script = lab.path / "other"
    make = f"ansible kvm2 -i {lab.path}/hosts.json -m golden.libvirt.clone -a '{json.dumps(other)}'"
    script.write_text(f"#!/bin/sh\n{make} >&2\necho 0\n")
    script.chmod(0o755)
    meanwhile = f"{{{{ lookup('ansible.builtin.pipe', '{script}') if __clones_told is defined else 0 }}}}"
    play("w{1..2}", clone_memory=meanwhile, fails=True)
    assert play.where() == [["w1"], ["w1", "w2"], []]
    assert f"they are on two hypervisors: {name} is on several hypervisors: kvm1, kvm2. Remove one of each" in play.said
    # Who finds that when he begins is told, and goes on.
    assert play("w{1..3}").changed == 1
    assert f"{name} is on several hypervisors: kvm1, kvm2" in play.said


def test_what_may_be_on_a_hypervisor_that_was_not_read_is_not_made_twice(fleet, lab, play):
    play("w{1..2}", more=["gone"], fails=True)
    assert f"{lab.prefix}-w1, {lab.prefix}-w2 may be on what was not read" in play.said
    assert play.where() == [[], [], []]
    play("w{1..2}", text=SERIAL, fails=True)
    assert "this play takes only some at a time. Nothing was made" in play.said
    assert play.where() == [[], [], []]
    play("w{1..2}", "--limit", "kvm1", clone_unreachable="warn")
    assert "not read: kvm2, kvm3" in play.said
    assert play.where() == [["w1", "w2"], [], []]
    # Where all are there, nobody else needs to be asked.
    assert play("w1", "--limit", "kvm1").changed == 0
    memory = fleet["kvm1"].run("image_info", {"image_pool": fleet["kvm1"].pool})["hypervisor"]["memory"]
    play("w{1..3}", clone_placement="memory", clone_memory=memory, fails=True)
    assert f"there is no memory for {lab.prefix}-w3, of {memory} MiB each" in play.said
    assert play.where() == [["w1", "w2"], [], []]
