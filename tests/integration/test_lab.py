# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab itself: what other tests rely on."""

from __future__ import annotations

import pytest
from support.lab import Lab, assert_same


@pytest.mark.parametrize("form", ["qcow2", "raw"])
def test_guest_visible_bytes_are_read_through_the_backing_chain(lab, form):
    base = lab.disk("base", form, content=b"golden" * 100)
    volume = (
        f"<volume><name>top.qcow2</name><capacity>16777216</capacity><target><format type='qcow2'/></target>"
        f"<backingStore><path>{base}</path><format type='{form}'/></backingStore></volume>"
    )
    lab.conn.storagePoolLookupByName(lab.pool).createXML(volume, 0)
    lab.write(lab.file("top.qcow2"), b"new", offset=6)
    assert lab.read(lab.file("top.qcow2"), 12) == b"goldennewden"
    assert lab.read(lab.file("top.qcow2"), 6, offset=590) == b"ldengo"
    assert lab.read(base, 12) == b"goldengolden"


def test_the_world_shows_a_changed_byte_a_mode_and_a_snapshot(lab):
    name = lab.machine("a")
    before = lab.world()
    assert_same(before, lab.world(), "looking changes nothing")
    lab.write(lab.disk_path(name), b"x")
    lab.domain(name).snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    lab.machine("b", state="running")
    kinds = {key.split(" ")[0] for key in dict(lab.world().items() - before.items())}
    assert kinds >= {"file", "snapshot", "live", "pool"}


def test_nothing_is_left_when_a_lab_closes(uri, lab):
    inner = Lab(uri, f"{lab.prefix}-inner", lab.path / "inner")
    name = inner.machine("a", state="paused")
    inner.domain(name).snapshotCreateXML("<domainsnapshot><name>s</name></domainsnapshot>")
    inner.close()
    assert [*lab.domains(), *lab.path.glob("inner/**/*")] == []
    assert [pool.name() for pool in lab.pools()] == [lab.pool]
