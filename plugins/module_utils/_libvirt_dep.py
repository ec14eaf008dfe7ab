# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The libraries that a hypervisor needs: their presence and least versions, said in one place."""

from __future__ import annotations

import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import libvirt
    import libvirt_qemu

    LIBVIRT_ERROR: str | None = None
except ImportError:
    libvirt = libvirt_qemu = None
    LIBVIRT_ERROR = traceback.format_exc()

try:
    from lxml import etree

    LXML_ERROR: str | None = None
except ImportError:
    etree = None  # type: ignore[assignment]
    LXML_ERROR = traceback.format_exc()

LIBVIRT_LEAST = (9, 0, 0)
LXML_LEAST = (4, 6, 0)

__all__ = ["library_problem", "libvirt", "libvirt_qemu", "require_libraries"]


def require_libraries(module: AnsibleModule) -> None:
    """End the task where libvirt-python or lxml is missing or libvirt's client library is too old."""
    problem = library_problem("the hypervisor; the role golden.libvirt.hypervisor installs it")
    if problem:
        module.fail_json(msg=problem[0], exception=problem[1])


def library_problem(where: str) -> tuple[str, str | None] | None:
    """What is wrong with the libraries on the machine that *where* names, and the traceback; None where nothing is."""
    for name, error in (
        ("libvirt-python >= 9.0 (python3-libvirt)", LIBVIRT_ERROR),
        ("lxml (python3-lxml)", LXML_ERROR),
    ):
        if error:
            return missing_required_lib(name, reason=f"on {where}"), error
    number = libvirt.getVersion()
    libvirt_found = (number // 1000000, number // 1000 % 1000, number % 1000)
    for name, found, least in (("libvirt", libvirt_found, LIBVIRT_LEAST), ("lxml", etree.LXML_VERSION[:3], LXML_LEAST)):
        if found < least:
            return (
                f"{name} {dotted(found)} is older than {dotted(least)}, the oldest that golden.libvirt works with: "
                f"update it on {where}.",
                None,
            )
    return None


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
