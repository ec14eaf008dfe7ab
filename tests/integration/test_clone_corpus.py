# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clones of all kinds of domains, as far as this libvirt can have them, defined side by side: they share nothing."""

from __future__ import annotations

import itertools

import libvirt
from ansible_collections.golden.libvirt.plugins.module_utils._xml import obstacles
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._xml.identities import shared
from ansible_collections.golden.libvirt.tests.unit.plugins.module_utils._xml.test_corpus import CORPUS, DROP, clone_of

SECURE = libvirt.VIR_DOMAIN_XML_INACTIVE | libvirt.VIR_DOMAIN_XML_SECURE
EACH = 3


def test_clones_of_every_domain_share_nothing_as_the_daemon_has_them(lab):
    kinds = {kind: xml.replace('type="kvm"', 'type="qemu"') for kind, xml in CORPUS.items()}
    mine = {kind: xml for kind, xml in kinds.items() if '<domain type="qemu"' in xml and 'arch="x86_64"' in xml}
    assert len(mine) > 6
    numbers = itertools.count(1)
    for kind, xml in mine.items():
        settled = obstacles.settled(xml, DROP).xml
        for _clone in range(EACH):
            clone = clone_of(settled, next(numbers)).replace(">clone-", f">{lab.prefix}-")
            try:
                lab.conn.defineXMLFlags(clone, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)
            except libvirt.libvirtError as err:
                raise AssertionError(f"{kind}: {err}\n{clone}") from err
    found = [domain.XMLDesc(SECURE) for domain in lab.domains()]
    assert len(found) == EACH * len(mine)
    for one, two in itertools.combinations(found, 2):
        assert shared(one, two) == []
