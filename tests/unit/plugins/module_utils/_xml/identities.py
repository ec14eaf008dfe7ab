# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tells domains apart, read from their XML without a line of the code under test."""

from __future__ import annotations

from lxml import etree

# Each kind of identity: where it is said, and what says nothing (made anew at each start).
PLACES = {
    "name": "/domain/name/text()",
    "uuid": "/domain/uuid/text() | /domain/sysinfo/system/entry[@name='uuid']/text()",
    "generation": "/domain/genid/text()",
    "serial number": "/domain/sysinfo//entry[@name='serial'][not(starts-with(., 'ds='))]/text()"
    " | /domain/devices/disk/serial/text() | /domain/devices/disk/wwn/text()",
    "MAC": "//interface/mac/@address",
    "tap": "//interface/target[not(@managed='no')]/@dev",
    "port profile": "//@portid | //parameters/@interfaceid | //parameters/@instanceid",
    "cid": "//vsock/cid/@address",
    "port": "//graphics/@port[. > 0] | //graphics/@tlsPort[. > 0] | //graphics/@websocket[. > 0]",
    "file": "//os/nvram/text()[normalize-space()] | //os/nvram/source/@file | //log/@file | //backend/@logFile"
    " | //pstore/path/text() | //audio/@path"
    " | //disk[not(@device='cdrom' or @device='floppy' or readonly)]/source/@*[name()='file' or name()='dev']"
    " | //*[self::serial or self::parallel or self::console or self::channel][@type='file' or @type='pipe' or"
    " @type='unix' or @type='pty']/source/@path",
    "socket": "//graphics/@socket | //listen/@socket | //tpm/backend/source/@path",
    "label": "/domain/seclabel[not(@type='static' or @type='none')]/label/text()",
    "seed": "//disk[alias/@name='ua-golden-seed']/source/@file | //disk[@device='cdrom']/source/@file",
}


def identities(xml: str) -> dict[str, set[str]]:
    """Each kind's values, lower case."""
    root = etree.fromstring(xml).getroottree()
    return {kind: {str(found).strip().lower() for found in root.xpath(place)} for kind, place in PLACES.items()}


def shared(first: str, second: str) -> list[str]:
    """What two domains have both, in words; names of one's files are no names of the other's."""
    mine, others = identities(first), identities(second)
    return [f"{kind} {value}" for kind, values in mine.items() for value in sorted(values & others[kind])]
