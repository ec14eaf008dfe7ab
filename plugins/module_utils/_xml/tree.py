# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's XML to the model and back. Pure: neither libvirt nor I/O. Unknown elements are kept as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ansible_collections.golden.libvirt.plugins.module_utils._errors import GoldenError

try:
    from lxml import etree
except ImportError:  # said by _libvirt_dep before anything here is called
    etree = None  # type: ignore[assignment]

if TYPE_CHECKING:
    Element = etree._Element
else:
    Element = Any


def parse(text: str) -> Element:
    """The root element of *text*; entities are not expanded and nothing is fetched.

    Raises GoldenError where *text* is not well-formed or has a document type declaration.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, remove_blank_text=False)
    try:
        root = etree.fromstring(text.encode("utf-8"), parser)
    except etree.XMLSyntaxError as err:
        raise GoldenError("reading XML", str(err), "Mend the XML and try again.") from err
    if root.getroottree().docinfo.doctype:
        raise GoldenError("reading XML", "it has a document type declaration, which is not read", "Remove the DOCTYPE.")
    return root


def text_of(root: Element) -> str:
    """*root* as text, as libvirt takes it."""
    return etree.tostring(root, encoding="unicode")


def need(root: Element, path: str) -> Element:
    """The first element at *path*; GoldenError where there is none."""
    element = root.find(path)
    if element is None:
        raise GoldenError("reading XML", f"<{root.tag!s}> has no {path}", "Mend the XML and try again.")
    return element


def attribute(root: Element, path: str, name: str) -> str:
    """An attribute of the first element at *path*; empty where either is missing."""
    element = root.find(path)
    return element.get(name, "") if element is not None else ""


def remove(parent: Element, *names: str) -> None:
    """Remove all children of those names."""
    for name in names:
        for element in parent.findall(name):
            parent.remove(element)


def set_text(root: Element, name: str, text: str) -> Element:
    """Give the child *name*, made first of all where it is missing, that *text*."""
    element = root.find(name)
    if element is None:
        element = etree.Element(name)
        root.insert(0, element)
    element.text = text
    return element
