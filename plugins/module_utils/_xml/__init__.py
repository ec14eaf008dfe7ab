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
