# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The published schemas, which every document that is written fits, and what readers do with newer ones."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError
from ansible_collections.golden.libvirt.plugins.module_utils._image import documents, journal, manifest
from ansible_collections.golden.libvirt.plugins.module_utils._model import (
    Holder,
    Lineage,
    Sealed,
    State,
    Version,
    VersionDisk,
    VersionNvram,
)
from ansible_collections.golden.libvirt.plugins.module_utils._plan import states
from ansible_collections.golden.libvirt.plugins.module_utils._plan.channel import AssignChannel, RemoveChannel, moved

jsonschema = pytest.importorskip("jsonschema")

SCHEMAS = Path(__file__).parents[5] / "docs" / "schemas"
DIGEST = "0123456789abcdef" * 4
BY = {"created": "2026-01-01T00:00:00Z", "by": "me@here"}
BARE = Version(
    "web",
    "1",
    BY["created"],
    "me@here",
    "<domain/>",
    (VersionDisk("vda", "golden.web.1.vda.raw", "raw", 1, 1, DIGEST),),
)
FULL = replace(
    BARE,
    firmware="uefi",
    nvram=VersionNvram("golden.web.1.nvram.fd", "raw", 1, DIGEST),
    labels={"team": "web"},
    sealed=Sealed("guest", ("machine-id",), "systemd"),
    lineage=Lineage("base", "12"),
    recipe="r",
    provenance={"job": 7},
    signature="-----BEGIN SSH SIGNATURE-----\nU1NI\n-----END SSH SIGNATURE-----\n",
)
FROZEN = replace(
    BARE, disks=(VersionDisk("vda", "golden.web.1.vda.qcow2", "qcow2", 1, 1, None, "golden.web.0.vda.qcow2"),)
)


def validate(kind, raw):
    schema = json.loads((SCHEMAS / f"{kind}-1.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(json.loads(raw))


@pytest.mark.parametrize("version", [BARE, FULL, FROZEN])
def test_manifests_fit_their_schema_and_come_back_as_they_were(version):
    raw = manifest.bytes_of(version)
    validate("manifest", raw)
    assert manifest.version_in(raw, "web", "1") == version


def test_what_is_signed_is_the_manifest_with_a_null_signature():
    unsigned = replace(FULL, signature=None)
    content = json.loads(manifest.bytes_of(unsigned))["content"]
    assert content["signature"] is None
    assert manifest.signed_bytes(FULL) == manifest.signed_bytes(unsigned) == documents.canonical(content).encode()


OTHER = {
    "image": "db",
    "version": "2",
    "created": "2027-01-01T00:00:00Z",
    "created_by": "you@here",
    "template": "<domain id='7'/>",
    "disks": (replace(BARE.disks[0], sha256="f" * 64),),
    "firmware": "bios",
    "nvram": replace(FULL.nvram, size=2),
    "description": "x",
    "labels": {},
    "sealed": None,
    "lineage": None,
    "recipe": None,
    "provenance": {"job": 8},
}


@pytest.mark.parametrize("name", [field.name for field in fields(Version) if field.name != "signature"])
def test_every_field_of_a_version_is_signed(name):
    assert manifest.signed_bytes(replace(FULL, **{name: OTHER[name]})) != manifest.signed_bytes(FULL)


def steps():
    """The states of a journal, each of which is one record."""
    state = State()
    changes = [
        lambda now: moved(now, AssignChannel("web", "stable", "1", "p"), BY),
        lambda now: moved(now, AssignChannel("web", "stable", "2", "p"), BY),
        lambda now: moved(now, AssignChannel("web", "stable", "1", "p", back=True), BY),
        lambda now: moved(now, RemoveChannel("web", "stable", "p"), BY),
        lambda now: states.restated(now, states.SetState("web", "1", "revoked", "p", "why", "2026-12-31"), BY),
        lambda now: states.restated(now, states.SetState("web", "2", "deprecated", "p", "why", through="web 1"), BY),
        lambda now: states.restated(now, states.SetState("web", "1", "active", "p"), BY),
        lambda now: states.restated(now, states.SetState("web", "1", "absent", "p"), BY),
        lambda now: replace(now, claims={"3": Holder("h", "b", 1, "2", 3)}),
        lambda now: replace(now, digests={"3": {"golden.web.3.vda.qcow2": DIGEST}}),
    ]
    for change in changes:
        state = change(state)
        yield state


def test_journal_records_fit_their_schema():
    base = journal.Entry(State())
    for serial, state in enumerate(steps(), 1):
        raw = journal.record(serial, base, state)
        validate("journal", raw)
        base = journal.entry_in(raw)
    assert base.state.serial == serial


@pytest.mark.parametrize("change", [{"schema": 2}, {"golden": "x"}, {"sha256": "x"}, {"length": None}])
def test_what_a_reader_would_not_take_does_not_fit_either(change):
    found = {**json.loads(manifest.bytes_of(BARE)), **change}
    with pytest.raises(jsonschema.ValidationError):
        validate("manifest", json.dumps(found))


@pytest.mark.parametrize("kind", ["manifest", "journal"])
def test_a_newer_document_is_refused_by_name(kind):
    raw = json.dumps({"golden": kind, "schema": 2, "content": {"image": "web", "version": "7", "more": []}}).encode()
    with pytest.raises(GoldenError, match=f"reading the {kind} web 7: it has schema 2, .* knows schema 1. Update the"):
        documents.content_of(kind, raw)


@pytest.mark.parametrize(
    "volume", ["golden.x", "golden.db.1.vda.qcow2", "golden.web.2.vda.qcow2", "../golden.web.1.vda.qcow2"]
)
def test_a_manifest_names_no_volumes_but_those_of_its_version(volume):
    raw = manifest.bytes_of(replace(BARE, disks=(replace(BARE.disks[0], volume=volume),)))
    with pytest.raises(GoldenError, match="is no volume of it"):
        manifest.version_in(raw, "web", "1")
