# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Character devices: serial ports, consoles, channels and what else reads and writes a file, socket or terminal."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from ansible_collections.golden.libvirt.plugins.module_utils._xml.tree import Element

CHARDEVS = ("serial", "parallel", "console", "channel", "redirdev", "smartcard", "rng/backend[@model='egd']")
# Where libvirt puts the sockets of channels that were given no path.
LIBVIRTS_OWN = "/qemu/channel/"
LOGS = (
    ("devices//log", "file"),
    ("devices/interface/backend", "logFile"),
    ("devices/audio[@type='file']", "path"),
)


def chardevs(root: Element) -> Iterator[Element]:
    """All character devices."""
    for tag in CHARDEVS:
        yield from root.findall(f"devices/{tag}")


def give_paths(root: Element, old: str, new: str) -> None:
    """Give the files and sockets of the domain that was called *old* names of *new*'s own; forget terminals."""
    for device in chardevs(root):
        device.attrib.pop("tty", None)
        for source in device.findall("source"):
            own_source(device, source, old, new)
    for place, name in LOGS:
        for element in root.findall(place):
            path = element.get(name)
            if path:
                element.set(name, own_path(path, old, new))
    for store in root.findall("devices/pstore/path"):
        store.text = own_path((store.text or "").strip(), old, new)


def own_source(device: Element, source: Element, old: str, new: str) -> None:
    path, kind = source.get("path"), device.get("type")
    if not path:
        return
    if kind == "pty" or (device.tag == "channel" and LIBVIRTS_OWN in path):
        del source.attrib["path"]
    elif kind in ("file", "pipe") or (kind == "unix" and source.get("mode") != "connect"):
        source.set("path", own_path(path, old, new))


def own_path(path: str, old: str, new: str) -> str:
    """A file beside *path* whose name has *new* where it had *old*, or before all where it had not."""
    folder, name = posixpath.split(path)
    word = rf"(?<![A-Za-z0-9]){re.escape(old)}(?![A-Za-z0-9])"
    own = re.sub(word, lambda match: new, name) if old else name
    return posixpath.join(folder, own if own != name or old == new else f"{new}-{name}")
