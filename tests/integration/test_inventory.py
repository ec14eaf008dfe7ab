# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin, as ansible-inventory runs it, on one and on several daemons."""

from __future__ import annotations

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
from support import versions
from support.lab import COLLECTION, Lab
from support.stack import stack

CLOSED = "qemu+tcp://127.0.0.1:1/system"


def ansible(tool: str, *arguments: str, fails: bool = False, **more: str) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's commands, with this collection."""
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_FAILED": "true",
        "COLUMNS": "1000",
        **more,
    }
    command = [sys.executable, "-m", "ansible", tool, *arguments]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode != 0) == fails, done.stdout + done.stderr
    return done


def written(lab, name="golden.yml", **options) -> str:
    """A configuration of the plugin; its path."""
    path = lab.path / name
    base = {"plugin": "golden.libvirt.clones", "uris": [lab.uri], "image_pool": lab.pool}
    path.write_text(json.dumps({**base, **options}))
    return str(path)


def plain(found: dict) -> object:
    """What ansible-core 2.19 and newer mark as text that is no template, as that text."""
    return found["__ansible_unsafe"] if set(found) == {"__ansible_unsafe"} else found


def inventory(lab, **options) -> tuple[dict, dict, str]:
    """The groups' hosts, the hosts' variables, and the warnings."""
    done = ansible("inventory", "-i", written(lab, **options), "--list")
    found = json.loads(done.stdout, object_hook=plain)
    groups = {group: sorted(of.get("hosts", [])) for group, of in found.items() if group not in ("_meta", "all")}
    return groups, found["_meta"]["hostvars"], " ".join(done.stderr.split())


def clones(lab, *names, **options) -> list[str]:
    """Clones of web; their full names."""
    args = {"image": "web", "image_pool": lab.pool, "names": [f"{lab.prefix}-{name}" for name in names]}
    result = lab.run("clone", {**args, **options})
    assert not result.get("failed"), result
    return args["names"]


def channel(lab, version):
    assert lab.run("channel", {"image": "web", "image_pool": lab.pool, "name": "stable", "version": version})["changed"]


def fleet(lab) -> tuple[str, str, str]:
    """One clone that runs and is outdated, one that is off and outdated, one that is of version 2 and no channel."""
    versions.add(lab, "web", "1")
    channel(lab, "1")
    on, off = clones(lab, "on", start=True, wait_for="none", channel="stable") + clones(lab, "off", channel="stable")
    versions.add(lab, "web", "2")
    channel(lab, "2")
    (new,) = clones(lab, "new", version="2")
    return on, off, new


def test_clones_are_hosts_in_groups(lab):
    on, off, new = fleet(lab)
    label = urlsplit(lab.uri).hostname or socket.gethostname()
    groups, hosts, warnings = inventory(lab, connection="agent")
    assert {name: of for name, of in groups.items() if not name.startswith("golden_hypervisor_")} == {
        "golden_clones": sorted([on, off, new]),
        "golden_image_web": sorted([on, off, new]),
        "golden_version_web_1": sorted([on, off]),
        "golden_version_web_2": [new],
        "golden_channel_stable": sorted([on, off]),
        "golden_state_running": [on],
        "golden_state_shutoff": sorted([off, new]),
        "golden_outdated": sorted([on, off]),
    }
    assert groups[f"golden_hypervisor_{re.sub('[^A-Za-z0-9_]', '_', label)}"] == sorted([on, off, new])
    assert sorted(hosts) == sorted([on, off, new])
    known = hosts[on]
    assert (known["golden_domain"], known["golden_uuid"]) == (on, lab.domain(on).UUIDString())
    assert (known["golden_uri"], known["golden_hypervisor"]) == (lab.uri, label)
    assert (known["golden_linked"], known["golden_unreachable"]) == (True, {})
    assert known["ansible_connection"] == "community.libvirt.libvirt_qemu"
    assert "golden" not in warnings


def test_hosts_and_groups_are_composed(lab):
    on, off, new = fleet(lab)
    groups, hosts, _warnings = inventory(
        lab,
        connection="ssh",
        compose={"ansible_user": "'admin'", "backup": "golden_state == 'running'"},
        groups={"stopped": "golden_state != 'running'"},
        keyed_groups=[{"key": "golden_version", "prefix": "v"}],
    )
    assert (hosts[on]["ansible_user"], hosts[on]["backup"], hosts[off]["backup"]) == ("admin", True, False)
    assert groups["stopped"] == sorted([off, new])
    assert (groups["v_1"], groups["v_2"]) == (sorted([on, off]), [new])
    path = written(lab, strict=True, compose={"broken": "no_such_variable + 1"})
    assert "no_such_variable" in ansible("inventory", "-i", path, "--list", fails=True).stderr


def test_as_awx_reads_a_source_from_a_project(lab):
    """With a file of the project, credentials in the environment, and what groups say apart from what hosts do."""
    on, off, new = fleet(lab)
    project, written_to = lab.path / "project", lab.path / "output.json"
    (project / "group_vars").mkdir(parents=True)
    (project / "group_vars" / "v_1.yml").write_text("of_the_project: true\n")
    path = written(
        lab,
        "project/golden_libvirt_clones.yml",
        compose={"backup": "golden_state == 'running'"},
        groups={"stopped": "golden_state != 'running'"},
        keyed_groups=[{"key": "golden_version", "prefix": "v", "parent_group": "by_version"}],
        unreachable="fail",
        uris=["{{ lookup('ansible.builtin.env', 'THE_HYPERVISOR') }}"],
    )
    options = ("--list", "--export", "--playbook-dir", str(project), "--output", str(written_to))
    ansible("inventory", "-i", path, *options, THE_HYPERVISOR=lab.uri)
    found = json.loads(written_to.read_text())
    hosts = found["_meta"]["hostvars"]
    assert sorted(hosts) == sorted([on, off, new])
    assert (hosts[on]["golden_image"], hosts[on]["backup"], hosts[off]["backup"]) == ("web", True, False)
    assert hosts[new]["golden_uri"] == lab.uri
    assert sorted(found["stopped"]["hosts"]) == sorted([off, new])
    assert sorted(found["by_version"]["children"]) == ["v_1", "v_2"]
    assert (sorted(found["v_1"]["hosts"]), found["v_1"]["vars"]) == (sorted([on, off]), {"of_the_project": True})
    assert "of_the_project" not in hosts[on]


def test_only_the_images_asked_for(lab):
    fleet(lab)
    versions.add(lab, "db", "1")
    (other,) = clones(lab, "db", image="db", version="1")
    assert inventory(lab, images=["db"])[0]["golden_clones"] == [other]


def test_many_hypervisors_and_one_that_is_not_there(lab):
    versions.add(lab, "web", "1")
    (mine,) = clones(lab, "a", version="1")
    with stack() as uri:
        second = Lab(uri, lab.prefix, lab.path)
        try:
            (theirs,) = clones(second, "b", version="1", start=True, wait_for="none")
            uris = [lab.uri, uri, CLOSED]
            groups, hosts, warnings = inventory(lab, uris=uris)
            assert groups["golden_clones"] == sorted([mine, theirs])
            assert (hosts[mine]["golden_uri"], hosts[theirs]["golden_uri"]) == (lab.uri, uri)
            assert len({hosts[name]["golden_hypervisor"] for name in (mine, theirs)}) == 2
            assert f"connecting to {CLOSED}" in warnings
            (said,) = hosts[mine]["golden_unreachable"].values()
            assert CLOSED in said
            failed = ansible("inventory", "-i", written(lab, uris=uris, unreachable="fail"), "--list", fails=True)
            assert f"connecting to {CLOSED}" in " ".join(failed.stderr.split())
        finally:
            for domain in second.domains():
                domain.destroy() if domain.isActive() else None
                domain.undefine()
            second.conn.close()


def test_those_that_hang_are_given_up_together(lab):
    versions.add(lab, "web", "1")
    (name,) = clones(lab, "a", version="1")
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        hanging = [f"qemu+tcp://127.0.0.1:{silent.getsockname()[1]}/system" for silent in (one, two)]
        groups, _hosts, warnings = inventory(lab, uris=[*hanging, lab.uri], timeout=3)
        for silent in (one, two):  # neither was asked only when the other was given up
            silent.settimeout(1)
            silent.accept()[0].close()
    assert groups["golden_clones"] == [name]
    assert warnings.count("has not answered within 3 seconds") == 2


def test_what_was_read_is_cached_and_what_was_not_is_tried_again(lab):
    versions.add(lab, "web", "1")
    (first,) = clones(lab, "a", version="1")
    cached = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(lab.path / "cache"),
        "uris": [lab.uri, CLOSED],
    }
    assert inventory(lab, **cached)[0]["golden_clones"] == [first]
    (second,) = clones(lab, "b", version="1")
    groups, _hosts, warnings = inventory(lab, **cached)
    assert groups["golden_clones"] == [first]
    assert f"connecting to {CLOSED}" in warnings
    play = lab.path / "play.yml"
    play.write_text("[{hosts: golden_clones, gather_facts: false, tasks: []}]")
    done = ansible("playbook", "-i", written(lab, **cached), "--list-hosts", "--flush-cache", str(play))
    assert second in done.stdout


def test_what_is_cached_needs_no_hypervisor(lab):
    cached = {"cache": True, "cache_plugin": "ansible.builtin.jsonfile", "cache_connection": str(lab.path / "cache")}
    with stack() as uri:
        far = Lab(uri, f"{lab.prefix}-far", lab.path / "far")
        versions.add(far, "web", "1")
        (name,) = clones(far, "a", version="1")
        asked = {**cached, "uris": [uri], "image_pool": far.pool}
        first = inventory(lab, **asked)
        far.close()
    assert first[0]["golden_clones"] == [name]
    assert inventory(lab, **asked) == first  # the daemon is gone


@pytest.mark.parametrize(("name", "taken"), [("prod.clones.yaml", True), ("golden.yml", True), ("hosts.yml", False)])
def test_the_file_is_known_by_its_name(lab, name, taken):
    done = ansible("inventory", "-i", written(lab, name), "--list", fails=not taken)
    assert taken == ("golden_clones" in done.stdout)


def test_ssh_leads_through_the_hypervisor(lab, ssh_uri):
    versions.add(lab, "web", "1")
    (name,) = clones(lab, "a", version="1")
    parts = urlsplit(ssh_uri)
    program = parts.query.partition("command=")[2]
    # The guest is played by the hypervisor's own sshd.
    path = written(
        lab,
        uris=[ssh_uri],
        connection="jump",
        compose={
            "ansible_host": "'127.0.0.1'",
            "ansible_port": str(parts.port),
            "ansible_user": "'root'",
            "ansible_ssh_executable": f"'{program}'",
        },
    )
    log = pathlib.Path(program).with_name("log")
    before = log.read_text().count("Accepted publickey") if log.exists() else 0
    done = ansible("adhoc", "-i", path, name, "-m", "raw", "-a", "echo reached")
    assert "reached" in done.stdout
    # Once by libvirt, once as the hypervisor, once as the guest.
    assert log.read_text().count("Accepted publickey") - before >= 3
