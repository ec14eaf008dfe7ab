# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names: which are allowed, and what a volume's name says. Reads from the right, so that versions may hold dots."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from ansible_collections.golden.libvirt.plugins.module_utils._errors import Refused

PREFIX = "golden."
IMAGE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")
CHANNEL = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
CLONE = re.compile(r"(?!golden\.)[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")
LABEL = CHANNEL
RANGE = re.compile(r"\{([0-9]+)\.\.([0-9]+)\}")
# More clones than a hypervisor can have are a slip of the keyboard.
MOST = 10000
TARGET = re.compile(r"[A-Za-z0-9]{1,32}")
# The record of what a clone was before it went to a version.
BEFORE = re.compile(r"(?!golden\.).+\.before(\.[0-9]+)?\.json")
# What channels take in place of a version's name, so that no version is called so.
PREVIOUS = "previous"

VOLUME = re.compile(
    rf"golden\.(?P<image>{IMAGE.pattern})\."
    r"(?:journal\.(?P<serial>[0-9]{6,})\.json"
    rf"|(?P<version>{VERSION.pattern})\.(?:(?P<manifest>manifest\.json)|(?P<nvram>nvram\.fd)"
    rf"|(?P<target>{TARGET.pattern})\.(?P<format>qcow2|raw)))"
)

# What rsync calls a file while it receives it; and what it builds on, while that is put together.
RECEIVING = re.compile(r"\.(?P<volume>.+)\.([A-Za-z0-9]{6}|begun)")


@dataclass(frozen=True)
class Named:
    """What a volume's name says. *kind* is journal, manifest, nvram, disk, or receiving: a part of one of these."""

    kind: str
    image: str
    version: str = ""
    target: str = ""
    serial: int = 0


def parsed(volume: str) -> Named | None:
    """What *volume* is to the repository; None where it is none of its names."""
    found = VOLUME.fullmatch(volume)
    if not found:
        received = RECEIVING.fullmatch(volume)
        whole = parsed(received["volume"]) if received else None
        return replace(whole, kind="receiving") if whole and whole.version else None
    part = found.groupdict()
    if part["serial"]:
        return Named("journal", part["image"], serial=int(part["serial"]))
    kind = "manifest" if part["manifest"] else "nvram" if part["nvram"] else "disk"
    return Named(kind, part["image"], part["version"], part["target"] or "")


def order(version: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that puts version 10 after 9 and 1.10 after 1.9."""
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in version.split("."))


def manifest_volume(image: str, version: str) -> str:
    return f"{PREFIX}{image}.{version}.manifest.json"


def disk_volume(image: str, version: str, target: str) -> str:
    return f"{PREFIX}{image}.{version}.{target}.qcow2"


def nvram_volume(image: str, version: str) -> str:
    return f"{PREFIX}{image}.{version}.nvram.fd"


def journal_volume(image: str, serial: int) -> str:
    return f"{PREFIX}{image}.journal.{serial:06d}.json"


def check_image(name: str) -> str:
    """*name*, or a refusal where it cannot name an image."""
    return checked(IMAGE, name, "image", "lower case letters, digits, '_' and '-', not these first, at most 64")


def check_version(name: str) -> str:
    """*name*, or a refusal where it cannot name a version."""
    if name == PREVIOUS:
        raise Refused("reading the name of a version", f"{name!r} means the one before", "Use another name.")
    return checked(
        VERSION, name, "version", "letters, digits, '.', '+', '_' and '-', a letter or digit first, at most 64"
    )


def check_channel(name: str) -> str:
    """*name*, or a refusal where it cannot name a channel."""
    return checked(
        CHANNEL, name, "channel", "lower case letters, digits, '.', '_' and '-', not these first, at most 64"
    )


def check_clone(name: str) -> str:
    """*name*, or a refusal where it cannot name a clone, whose volumes are called after it."""
    return checked(
        CLONE,
        name,
        "clone",
        "letters, digits, '.', '+', '_' and '-', a letter or digit first, at most 64, and not 'golden.' first",
    )


def check_label(name: str) -> str:
    """*name*, or a refusal where it cannot be the label of a group of clones."""
    return checked(LABEL, name, "label", "lower case letters, digits, '.', '_' and '-', not these first, at most 64")


def expanded(pattern: str) -> list[str]:
    """The names that a pattern stands for: ``web-{08..10}`` for web-08, web-09 and web-10, as in a shell."""
    found = RANGE.search(pattern)
    if not found:
        return [pattern]
    first, last = found.groups()
    if int(last) < int(first) or int(last) - int(first) >= MOST:
        advice = f"Use a first number that is not above the last one, and at most {MOST} of them."
        raise Refused(f"reading the names {pattern}", f"{found.group()} is no range", advice)
    width = max(len(first), len(last)) if first.startswith("0") or last.startswith("0") else 0
    numbers = [str(number).zfill(width) for number in range(int(first), int(last) + 1)]
    head, tails = pattern[: found.start()], expanded(pattern[found.end() :])
    if len(numbers) * len(tails) > MOST:
        raise Refused(f"reading the names {pattern}", "they are too many", f"Ask for at most {MOST} of them at a time.")
    return [f"{head}{number}{tail}" for number in numbers for tail in tails]


def clone_volume(clone: str, part: str, ending: str, number: int = 1) -> str:
    """A clone's volume for a *part* of it: ``web-01.vda.qcow2``, or ``web-01.vda.2.qcow2`` where that is in use."""
    return ".".join([clone, part, *([str(number)] if number > 1 else []), ending])


def checked(pattern: re.Pattern[str], name: str, noun: str, rule: str) -> str:
    if not pattern.fullmatch(name):
        raise Refused(f"reading the name of a {noun}", f"{name!r} cannot be one", f"Use {rule}.")
    return name
