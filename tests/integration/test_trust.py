# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures of manifests by real OpenSSH keys: who signed, what does not count, and that nothing is made of it."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
from dataclasses import replace

import pytest
from support import versions
from support.lab import COLLECTION, qemu_img


class Keys:
    """OpenSSH keys in a directory of the lab, and the files of those that are trusted and revoked."""

    def __init__(self, path):
        self.path = path
        path.mkdir()
        self.trusted, self.revoked = str(path / "allowed_signers"), str(path / "revoked")

    def make(self, name, passphrase=""):
        """The file of a new private key."""
        key = str(self.path / name)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", key], check=True)
        return key

    def trust(self, **options):
        """Write down who is trusted: names of keys, each with options of the format; all are made first."""
        lines = [f"{name}@example.com {said} {self.public(name)}".replace("  ", " ") for name, said in options.items()]
        pathlib.Path(self.trusted).write_text("\n".join(lines) + "\n")

    def public(self, name):
        return pathlib.Path(f"{self.path}/{name}.pub").read_text().strip()


@pytest.fixture
def keys(lab):
    return Keys(lab.path / "keys")


def told(lab, keys, **options):
    """What image_info says of the versions of web, by version, and that nobody changed anything."""
    asked = {"image": "web", "image_pool": lab.pool, "trusted_signers": keys.trusted, **options}
    found = lab.run_and_compare("image_info", asked)
    assert "msg" not in found, found
    return {of["version"]: of for image in found["images"] for of in image["versions"]}


def clone(lab, keys, version, **options):
    args = {"name": f"{lab.prefix}-a", "image": "web", "version": version, "image_pool": lab.pool}
    return {**args, "trusted_signers": keys.trusted, **options}


def promoted(lab, **options):
    args = {"domain": lab.machine("web"), "image": "web", "image_pool": lab.pool, "sealed": False, **options}
    return lab.run_and_compare("promote", args)


def test_a_version_is_signed_when_it_is_promoted_and_anybody_can_check_that(lab, keys):
    key = keys.make("alice")
    keys.trust(alice="")
    made = promoted(lab, signing_key=key, labels={"größe": "ok"}, provenance={"job": {"id": 7, "share": 0.5}})
    commit = next(action for action in made["actions"] if action["action"] == "commit version")
    assert commit["signed_with"] == key
    found = told(lab, keys, verify=True)["1"]
    assert (found["signed_by"], found["untrusted"], found["problems"]) == ("alice@example.com", None, [])
    assert found["signature"] == made["versions"][0]["manifest"]["signature"]
    # By the documented recipe, without anything of ours.
    content = json.loads(pathlib.Path(lab.file("golden.web.1.manifest.json")).read_text())["content"]
    signature = keys.path / "sig"
    signature.write_text(content["signature"])
    message = json.dumps({**content, "signature": None}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    command = ["ssh-keygen", "-Y", "verify", "-f", keys.trusted, "-I", "alice@example.com", "-n", "golden.libvirt"]
    subprocess.run([*command, "-s", signature], input=message.encode(), check=True, capture_output=True)
    assert not lab.run("clone", clone(lab, keys, "1")).get("msg")


def test_what_does_not_count_is_told_apart(lab, keys):
    trusted = {
        "alice": "",
        "late": 'valid-before="20250101"',
        "early": 'valid-after="20300101"',
        "git": 'namespaces="git"',
        "eve": "",
        "rotated": 'valid-before="20260601"',
    }
    expected = {"unsigned": "web unsigned is not signed"}
    for name in (*trusted, "mallory"):
        versions.add(lab, "web", name, key=keys.make(name))
    keys.trust(**trusted)
    pathlib.Path(keys.revoked).write_text(keys.public("eve") + "\n")
    versions.add(lab, "web", "unsigned")
    alice = str(keys.path / "alice")
    altered = versions.add(lab, "web", "altered", key=alice)
    versions.write(lab, replace(altered, disks=(replace(altered.disks[0], sha256="0" * 64),)))
    swapped = versions.add(lab, "web", "swapped")
    versions.write(lab, replace(swapped, signature=altered.signature))
    versions.write(lab, replace(versions.add(lab, "web", "garbled"), signature="sure"))
    versions.add(lab, "web", "timeless", key=alice, created=5)
    elsewhere = versions.add(lab, "web", "elsewhere")
    message = json.dumps("what alice signs for git is no version").encode()
    versions.write(lab, replace(elsewhere, signature=versions.signature(alice, message, "git")))
    expected |= {
        "late": r"by ED25519 key SHA256:\S+, which is none of theirs \(.*key has expired",
        "early": "key is not yet valid",
        "git": r'which does not count for this \(.*not permitted for use in signature namespace "golden.libvirt"',
        "eve": "which does not count for this .*revoked",
        "mallory": r"by ED25519 key SHA256:\S+, which is none of theirs \(No principal matched",
        "altered": "the manifest was altered, or the signature is that of something else",
        "swapped": "the manifest was altered, or the signature is that of something else",
        "garbled": "parse signature",
        "timeless": "was made at 5, which is no time",
        "elsewhere": "namespace",
    }
    found = told(lab, keys, revoked_signers=keys.revoked, verify=True)
    trusting = {version: of["signed_by"] for version, of in found.items() if of["signed_by"]}
    assert trusting == {"alice": "alice@example.com", "rotated": "rotated@example.com"}
    assert {*found} == {*expected, *trusting}
    for version, words in expected.items():
        assert re.search(words, found[version]["untrusted"]), found[version]["untrusted"]
        assert found[version]["untrusted"] in found[version]["problems"]
        assert found[version]["findings"][0]["finding"] == "untrusted"
    # Without anybody to trust nobody asks, and revoked keys are revoked by the one file only.
    assert {of["untrusted"] for of in told(lab, keys, trusted_signers=None).values()} == {None}
    assert told(lab, keys)["eve"]["signed_by"] == "eve@example.com"


def test_an_authority_that_certifies_signers_counts(lab, keys):
    authority, key = keys.make("authority"), keys.make("carol")
    subprocess.run(
        ["ssh-keygen", "-q", "-s", authority, "-I", "c", "-n", "carol@example.com", f"{key}.pub"], check=True
    )
    pathlib.Path(keys.trusted).write_text(f"*@example.com cert-authority {keys.public('authority')}\n")
    versions.add(lab, "web", "1", key=f"{key}-cert.pub")
    assert told(lab, keys)["1"]["signed_by"] == "carol@example.com"


def test_nothing_is_made_of_an_untrusted_version(lab, keys, monkeypatch):
    key = keys.make("alice")
    keys.trust(alice="")
    versions.add(lab, "web", "1", key=key)
    versions.add(lab, "web", "2")
    refused = lab.run_and_compare("clone", clone(lab, keys, "2"), fails=True)
    assert f"using web 2: web 2 is not signed. Use a version signed by one whom {keys.trusted} names" in refused["msg"]
    (name,) = (of["name"] for of in lab.run_and_compare("clone", clone(lab, keys, "1"))["clones"])
    back = {"domain": name, "to": "version", "image_pool": lab.pool, "trusted_signers": keys.trusted}
    refused = lab.run_and_compare("revert", {**back, "version": "2", "force": True}, fails=True)
    assert "web 2 is not signed" in refused["msg"]
    assert not lab.run("revert", {**back, "version": "1"}).get("msg")
    missing = lab.run_and_compare("clone", clone(lab, keys, "1", trusted_signers="/no/such"), fails=True)
    assert "/no/such, which says whom to trust, is not there" in missing["msg"]
    monkeypatch.setenv("PATH", str(keys.path))
    without = lab.run("clone", clone(lab, keys, "1"))
    assert "there is no ssh-keygen where the module runs. Install OpenSSH's client" in without["msg"]


def test_a_signature_comes_along_and_what_has_none_stays(lab, keys):
    key = keys.make("alice")
    keys.trust(alice="")
    versions.add(lab, "web", "1", key=key)
    versions.add(lab, "web", "2")
    other = lab.add_pool("other")
    asked = {"image": "web", "from_uri": lab.uri, "from_pool": lab.pool, "image_pool": other}
    asked["trusted_signers"] = keys.trusted
    result = lab.run("transfer", {**asked, "versions": ["1", "2"]})
    assert [(item["failed"], item["changed"]) for item in result["versions"]] == [(False, True), (True, False)]
    assert "bringing web 2: web 2 is not signed" in result["msg"]
    found = told(lab, keys, image_pool=other, verify=True)
    assert {version: (of["signed_by"], of["problems"]) for version, of in found.items()} == {
        "1": ("alice@example.com", [])
    }
    same = (lab.path / place / "golden.web.1.manifest.json" for place in ("pool", "other"))
    assert len({path.read_bytes().strip() for path in same}) == 1


def test_what_a_signed_version_is_an_overlay_of_must_be_signed_too(lab, keys):
    key = keys.make("alice")
    keys.trust(alice="")
    base = versions.add(lab, "web", "1")
    top = versions.add(lab, "web", "2")
    path = lab.file("golden.web.2.vda.qcow2")
    os.chmod(path, 0o644)
    qemu_img("rebase", "-u", "-b", lab.file(base.disks[0].volume), "-F", "qcow2", path)
    versions.freeze(lab, "golden.web.2.vda.qcow2")
    disk = replace(top.disks[0], size=os.path.getsize(path), sha256=versions.digest_of(lab, top.disks[0].volume))
    top = replace(top, disks=(disk,))
    versions.write(lab, replace(top, signature=versions.signature(key, versions.manifest.signed_bytes(top))))
    assert told(lab, keys, verify=True)["2"]["untrusted"] == "web 1 is not signed"
    versions.write(lab, replace(base, signature=versions.signature(key, versions.manifest.signed_bytes(base))))
    found = told(lab, keys, verify=True)["2"]
    assert (found["signed_by"], found["problems"]) == ("alice@example.com", [])
    os.unlink(lab.file("golden.web.1.manifest.json"))
    assert "is an overlay of" in told(lab, keys)["2"]["untrusted"]


def test_a_key_that_cannot_sign_is_found_before_anything_is_done(lab, keys):
    open_to_all = keys.make("open")
    os.chmod(open_to_all, 0o644)
    locked, alone = keys.make("locked", "secret"), keys.make("alone")
    os.rename(alone, f"{alone}.away")
    name = lab.machine("web")
    args = {"domain": name, "image": "web", "image_pool": lab.pool, "sealed": False}
    for key, words in (
        ("/no/such", "/no/such: No such file or directory"),
        (open_to_all, "Permissions 0644 for .* are too open"),
        (locked, "incorrect passphrase"),
        (f"{alone}.pub", "No private key found"),
    ):
        refused = lab.run("promote", {**args, "signing_key": key}, check=True)
        assert re.search(f"promoting {name} .*ssh-keygen cannot sign with {key}: .*{words}", refused["msg"]), refused
    before = lab.world()
    assert "cannot sign" in lab.run("promote", {**args, "signing_key": locked})["msg"]
    assert lab.world() == before


def test_a_key_in_the_agent_signs(lab, keys, monkeypatch):
    key = keys.make("alice", "secret")
    keys.trust(alice="")
    socket = str(keys.path / "agent")
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", socket)
        askpass = keys.path / "askpass"
        askpass.write_text("#!/bin/sh\necho secret\n")
        askpass.chmod(0o700)
        add = {**os.environ, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
        while not os.path.exists(socket):
            assert agent.poll() is None
        subprocess.run(["ssh-add", "-q", key], env=add, check=True)
        os.unlink(key)
        promoted(lab, signing_key=f"{key}.pub")
        assert told(lab, keys)["1"]["signed_by"] == "alice@example.com"
    finally:
        agent.kill()
        agent.wait()


def test_a_version_that_is_there_unsigned_stays_so_and_that_is_said(lab, keys):
    key = keys.make("alice")
    promoted(lab, recipe="r")
    args = {"domain": f"{lab.prefix}-web", "image": "web", "image_pool": lab.pool, "sealed": False, "recipe": "r"}
    again = lab.run_and_compare("promote", {**args, "signing_key": key})
    assert not again["changed"]
    assert "web 1 is there already, and is not signed" in " ".join(again["warnings"])
    forced = lab.run("promote", {**args, "signing_key": key, "force": True})
    assert forced["versions"][0]["manifest"]["signature"].startswith("-----BEGIN SSH SIGNATURE-----\n")


def test_the_whole_play_can_be_told_whom_to_trust(lab, keys):
    keys.make("alice")
    keys.trust(alice="")
    versions.add(lab, "web", "1")
    name = f"{lab.prefix}-a"
    play = f"""
- hosts: localhost
  gather_facts: false
  vars: {{ansible_python_interpreter: "{{{{ ansible_playbook_python }}}}"}}
  module_defaults:
    group/golden.libvirt.golden: {{uri: "{lab.uri}"}}
    group/golden.libvirt.trust: {{trusted_signers: "{keys.trusted}"}}
  tasks:
    - golden.libvirt.snapshot_info: {{domain: "{lab.machine("other")}"}}
    - golden.libvirt.clone: {{name: "{name}", image: web, version: "1", image_pool: "{lab.pool}"}}
"""
    file = lab.path / "play.yml"
    file.write_text(play)
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2])}
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", "-c", "local", file],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stdout
    assert "web 1 is not signed" in done.stdout
    assert re.search(r"ok=1 .*failed=1 ", done.stdout), done.stdout
