# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a clone's TPM: nothing, or what is in its source's."""

from __future__ import annotations

import os
import pathlib

import pytest
from support import versions
from support.lab import assert_same

STATES = pathlib.Path("/var/lib/libvirt/swtpm")
STATE = "tpm2-00.permall"
TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'{}</tpm>"
PLAIN = TPM.format("/>")
ENCRYPTED = TPM.format("><encryption secret='11111111-2222-4333-8444-555555555555'/></backend>")


def asked(lab, *names, **options):
    return {"names": [f"{lab.prefix}-{name}" for name in names], "image_pool": lab.pool, "tpm": "copy", **options}


def state_of(lab, name) -> pathlib.Path:
    return STATES / lab.domain(name).UUIDString() / "tpm2" / STATE


def source_of(lab) -> str:
    """A domain that is off and whose TPM has a state."""
    name = lab.machine("src", extra_devices=PLAIN, state="running")
    lab.domain(name).destroy()
    return name


@pytest.fixture(autouse=True)
def on_the_hypervisor(pytestconfig):
    if pytestconfig.getoption("--stack") != "system":
        pytest.skip("the state of TPMs is in files of the machine's own hypervisor only")


def test_a_copy_is_the_sources_and_goes_on_from_there(lab):
    source = source_of(lab)
    before, states = lab.world(), set(STATES.iterdir())
    kept = state_of(lab, source).read_bytes()
    umask = os.umask(0o077)
    try:
        result = lab.run_and_compare("clone", asked(lab, "a", domain=source))
    finally:
        os.umask(umask)
    assert any("its TPM is a copy" in warning for warning in result["warnings"])
    name = result["clones"][0]["name"]
    copy = state_of(lab, name)
    assert copy.read_bytes() == kept
    for mine, its in ((copy, state_of(lab, source)), (copy.parent, state_of(lab, source).parent)):
        one, two = mine.stat(), its.stat()
        assert (one.st_mode, one.st_uid, one.st_gid) == (two.st_mode, two.st_uid, two.st_gid)
    lab.domain(name).create()
    lab.domain(name).destroy()
    log = pathlib.Path(f"/var/log/swtpm/libvirt/qemu/{name}-swtpm.log")
    assert "manufactur" not in (log.read_text() if log.exists() else "")
    assert state_of(lab, source).read_bytes() == kept
    lab.run_and_compare("clone", asked(lab, "a", state="absent"))
    assert_same(before, lab.world(), "more or less than was made was removed")
    assert set(STATES.iterdir()) == states


def test_a_fresh_one_is_made_at_the_first_start(lab):
    source = source_of(lab)
    result = lab.run_and_compare("clone", asked(lab, "a", domain=source, tpm="fresh", start=True))
    assert any("its TPM starts empty" in warning for warning in result["warnings"])
    assert state_of(lab, result["clones"][0]["name"]).read_bytes() != state_of(lab, source).read_bytes()


def test_a_source_that_never_started_has_none_to_copy(lab):
    source = lab.machine("src", extra_devices=PLAIN)
    result = lab.run_and_compare("clone", asked(lab, "a", domain=source))
    assert any("its TPM starts empty" in warning for warning in result["warnings"])


def test_swtpms_links_are_not_followed_and_what_was_begun_is_undone(lab):
    source = source_of(lab)
    (state_of(lab, source).parent / "tpm2-00.volatilestate").symlink_to("/etc/shadow")
    before, states = lab.world(), set(STATES.iterdir())
    result = lab.run("clone", asked(lab, "a", domain=source))
    assert "copying the state of a TPM" in result["msg"]
    assert_same(before, lab.world(), "the failed clone left something")
    assert set(STATES.iterdir()) == states


def test_what_cannot_be_copied_is_refused_all_at_once(lab):
    source = lab.machine("src", extra_devices=PLAIN, state="running")
    assert "shut it down" in lab.run_and_compare("clone", asked(lab, "a", domain=source), fails=True)["msg"]
    lab.domain(source).destroy()
    assert not lab.run("snapshot", {"domain": source, "name": "s"}).get("failed")
    result = lab.run_and_compare("clone", asked(lab, "a", domain=source, snapshot="s"), fails=True)
    assert "a snapshot holds no state of a TPM" in result["msg"]
    secret = lab.machine("secret", extra_devices=ENCRYPTED)
    result = lab.run_and_compare("clone", asked(lab, "a", domain=secret), fails=True)
    assert "encrypted with the secret 11111111-2222-4333-8444-555555555555" in result["msg"]
    versions.add(lab, "web", "1", extra_devices=PLAIN)
    result = lab.run_and_compare("clone", asked(lab, "a", image="web", version="1"), fails=True)
    assert "a version holds no TPM state" in result["msg"]
    assert "Say 'tpm: fresh'" in result["msg"]
