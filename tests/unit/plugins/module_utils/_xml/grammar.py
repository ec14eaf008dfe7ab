# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that a RELAX NG grammar accepts, made at random from the grammar itself: libvirt's, for any domain.

domain = Grammar("/usr/share/libvirt/schemas/domain.rng").document(random.Random(7))
"""

from __future__ import annotations

import pathlib
import random
import re

from lxml import etree

# Texts as they are in domains, of which each kind of data takes what it accepts.
TEXTS = [
    *("1", "3", "100", "4096", "4096.0", "1048576", "0", "-1", "0x1", "0x1f", "0xfe", "0x06", "1.5", "100.0", "0-3,^2"),
    *("web-01", "vda", "sdb", "fd0", "kvm", "rng0", "vnet7", "default", "k", "KiB", "ipv4", "tcp", "bridge", "sync_pt"),
    *(
        "/srv/images/web-01.qcow2",
        "/dev/vg/web-01",
        "/run/web-01.sock",
        "[pool] web-01/web-01.vmdk",
        "host.example.org",
    ),
    *("52:54:00:12:34:56", "53:54:00:12:34:56", "192.0.2.7", "2001:db8::7", "naa.5000c50015ea71ad"),
    *("0x5000c50015ea71ad", "5000c50015ea71ad", "5000c50015ea71ad5000c50015ea71ad", "0x0123456789abcdef"),
    *("6b2f4a1e-8c3d-4e5f-9a7b-0c1d2e3f4a5b", "2026-01-02T03:04:05", "ACME CORP 2000", "uuid", "0644", "Hygon 123456"),
    *("00:01:00:01:4c:1e:2f:3a:52:54:00:12:34:56", "00:02:00:00:0a:bc:01", "00:03:00:01:52:54:00:12:34:56"),
    "00:04:6b:2f:4a:1e:8c:3d:4e:5f:9a:7b:0c:1d:2e:3f:4a:5b",
]
LIMITS = {
    "pattern": lambda text, limit: re.fullmatch(limit, text) is not None,
    "minInclusive": lambda text, limit: int(text) >= int(limit),
    "maxInclusive": lambda text, limit: int(text) <= int(limit),
    "maxLength": lambda text, limit: len(text) <= int(limit),
}
SHAPES = {"dateTime": r"[-\d]+T[:\d]+", "NCName": r"[a-z][\w-]*"}
RANGES = {
    "unsignedLong": (0, 2**64 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "long": (-(2**63), 2**63 - 1),
    "int": (-(2**31), 2**31 - 1),
    "short": (-(2**15), 2**15 - 1),
    "integer": (-(2**63), 2**63),
    "positiveInteger": (1, 2**63),
}
# How deep in the grammar what may be left out is left out.
DEPTH = 60
# How many devices there are at most. Other things are repeated three times.
MANY = 20


class Nothing(Exception):
    """The grammar allows nothing here."""


class Grammar:
    """The definitions of a grammar and of all that it includes."""

    def __init__(self, path: str) -> None:
        self.defined: dict[str, list[etree._Element]] = {}
        self.start = ""
        self.read(pathlib.Path(path))

    def read(self, path: pathlib.Path) -> None:
        for part in etree.parse(str(path)).getroot().iterchildren("{*}define", "{*}include", "{*}start"):
            kind = etree.QName(part).localname
            if kind == "include":
                self.read(path.with_name(part.get("href")))
            elif kind == "start":
                self.start = part[0].get("name")
            else:
                self.defined.setdefault(part.get("name"), []).append(part)

    def document(self, chance: random.Random) -> str:
        """One that the grammar accepts."""
        while True:
            root = etree.Element("root")
            try:
                Writer(self, chance).ref(self.start, root, 0)
            except Nothing:
                continue
            return etree.tostring(root[0], encoding="unicode")


class Writer:
    """Writes one document. Each method adds to an element what a pattern stands for."""

    def __init__(self, grammar: Grammar, chance: random.Random) -> None:
        self.grammar = grammar
        self.chance = chance

    def ref(self, name: str, into: etree._Element, depth: int) -> None:
        self.group(self.chance.choice(self.grammar.defined[name]), into, depth + 1)

    def group(self, pattern: etree._Element, into: etree._Element, depth: int) -> None:
        for part in pattern.iterchildren("*"):
            self.part(part, into, depth + 1)

    def part(self, part: etree._Element, into: etree._Element, depth: int) -> None:
        kind = etree.QName(part).localname
        if kind == "ref":
            self.ref(part.get("name"), into, depth)
        elif kind == "choice":
            self.choice(part, into, depth)
        elif kind == "interleave":
            self.interleave(part, into, depth)
        elif kind in ("optional", "zeroOrMore", "oneOrMore"):
            self.times(kind, part, into, depth)
        elif kind == "element":
            self.element(part, into, depth)
        elif kind == "attribute":
            self.attribute(part, into, depth)
        elif kind == "group":
            self.group(part, into, depth)
        elif kind == "notAllowed":
            raise Nothing
        elif kind != "empty":
            add_text(into, self.text(kind, part))

    def choice(self, pattern: etree._Element, into: etree._Element, depth: int) -> None:
        """One of the patterns; another one where that stands for nothing."""
        parts = list(pattern.iterchildren("*"))
        for part in self.chance.sample(parts, len(parts)):
            tried = etree.Element("tried")
            try:
                self.part(part, tried, depth)
            except Nothing:
                continue
            move(tried, into)
            return
        raise Nothing

    def interleave(self, pattern: etree._Element, into: etree._Element, depth: int) -> None:
        parts = list(pattern.iterchildren("*"))
        for part in self.chance.sample(parts, len(parts)):
            self.part(part, into, depth)

    def times(self, kind: str, pattern: etree._Element, into: etree._Element, depth: int) -> None:
        least = int(kind == "oneOrMore")
        most = least if depth > DEPTH else 1 if kind == "optional" else MANY if is_list_of_devices(pattern) else 3
        for _time in range(self.chance.randint(least, most)):
            tried = etree.Element("tried")
            try:
                self.group(pattern, tried, depth)
            except Nothing:
                if not least:
                    continue
                raise
            move(tried, into)

    def element(self, pattern: etree._Element, into: etree._Element, depth: int) -> None:
        name = pattern.get("name") or "{http://example.org/other}thing"
        space = next((of.get("ns") for of in (pattern, *pattern.iterancestors()) if of.get("ns")), None)
        self.group(pattern, etree.SubElement(into, f"{{{space}}}{name}" if space else name), depth)

    def attribute(self, pattern: etree._Element, into: etree._Element, depth: int) -> None:
        value = etree.Element("value")
        self.group(pattern, value, depth)
        said = value.text if pattern.find("*") is not None and pattern.get("name") else "any"
        into.set(pattern.get("name") or "any", said or "")

    def text(self, kind: str, pattern: etree._Element) -> str:
        if kind == "value":
            return pattern.text or ""
        if kind == "text":
            return self.chance.choice(TEXTS)
        if kind == "data":
            found = [text for text in TEXTS if accepted(pattern, text)]
            if not found:
                raise LookupError(f"no text for {etree.tostring(pattern).decode()}")
            return self.chance.choice(found)
        return ""


def accepted(data: etree._Element, text: str) -> bool:
    """Whether a kind of data takes a text."""
    kind = data.get("type")
    if kind in RANGES:
        least, most = RANGES[kind]
        fits = re.fullmatch(r"-?\d+", text) is not None and least <= int(text) <= most
    else:
        fits = re.fullmatch(SHAPES.get(kind, ".*"), text) is not None
    return fits and all(LIMITS[of.get("name")](text, of.text or "") for of in data.iterchildren("{*}param"))


def is_list_of_devices(pattern: etree._Element) -> bool:
    definition = next(pattern.iterancestors("{*}define"))
    return definition.get("name") == "devices" and pattern.find("{*}choice") is not None


def add_text(into: etree._Element, text: str) -> None:
    if len(into):
        into[-1].tail = (into[-1].tail or "") + text
    else:
        into.text = (into.text or "") + text


def move(tried: etree._Element, into: etree._Element) -> None:
    """All that was written into *tried*."""
    for name, value in tried.attrib.items():
        into.set(name, value)
    if tried.text:
        add_text(into, tried.text)
    for child in list(tried):
        into.append(child)
