"""Dependencies point one way: modules → _run → {_plan, _hypervisor, _image} → {_xml, _model}."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[4] / "plugins"
OURS = "ansible_collections.golden.libvirt.plugins"

# What a layer may import of ours, beside itself, _errors and _names.
MAY_IMPORT = {
    "_errors": set(),
    "_names": set(),
    "_version": set(),
    "_model": set(),
    "_xml": {"_model"},
    "_seed": set(),
    "_disk": set(),
    "_plan": {"_model", "_seed", "_xml"},
    "_libvirt_dep": set(),
    "_hypervisor": {"_disk", "_model", "_xml", "_libvirt_dep"},
    "_image": {"_model", "_xml"},
    "_argspec": {"_model"},
    "_run": {"_argspec", "_hypervisor", "_image", "_libvirt_dep", "_model", "_plan", "_version", "_xml"},
    "modules": {"_argspec", "_run"},
    "inventory": {"_argspec", "_run"},
    "lookup": set(),
    "filter": {"_plan", "_seed"},
    "doc_fragments": set(),
}

LIBVIRT = {"libvirt", "libvirt_qemu"}

# What a layer may import of Ansible and libvirt. Where nothing is said, neither.
MAY_ASK = {
    "_libvirt_dep": {"ansible"} | LIBVIRT,
    "_hypervisor": LIBVIRT,
    "_run": {"ansible"},
    "modules": {"ansible"},
    "inventory": {"ansible"},
    "lookup": {"ansible"},
    "filter": {"ansible"},
}


def layer_of(path: Path) -> str:
    """The layer that a file of plugins/ belongs to: `_xml` for module_utils/_xml/domain.py."""
    kind, *rest = path.relative_to(PLUGINS).parts
    return rest[0].removesuffix(".py") if kind == "module_utils" else kind


def imported_names(source: str, package: str) -> Iterator[str]:
    """Full names of all that the source of a module in this package imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            start = ".".join([*base, *filter(None, [node.module])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


def violations(layer: str, source: str, package: str) -> list[str]:
    """The imports of this source that its layer must not have."""
    found = []
    for name in imported_names(source, package):
        if name.startswith(f"{OURS}."):
            words = name[len(OURS) + 1 :].split(".")
            target = words[1] if words[0] == "module_utils" and len(words) > 1 else words[0]
            allowed = target in {layer, "_errors", "_names"} | MAY_IMPORT[layer]
        else:
            target = name.split(".")[0]
            allowed = target not in {"ansible"} | LIBVIRT or target in MAY_ASK.get(layer, set())
        if not allowed:
            found.append(f"{layer} imports {name}")
    return found


def package_of(path: Path) -> str:
    return ".".join([OURS, *path.relative_to(PLUGINS).parent.parts])


@pytest.mark.parametrize(
    "path", [pytest.param(path, id=str(path.relative_to(PLUGINS))) for path in sorted(PLUGINS.rglob("*.py"))]
)
def test_imports_point_one_way(path):
    assert violations(layer_of(path), path.read_text(encoding="utf-8"), package_of(path)) == []


@pytest.mark.parametrize(
    ("layer", "source", "found"),
    [
        ("_plan", "from .._xml import domain", 0),
        ("_plan", "from .._xml.domain import parse", 0),
        ("_plan", "from . import clone", 0),
        ("_plan", "from .._errors import GoldenError", 0),
        ("_plan", "from .._hypervisor import connection", 1),
        ("_plan", f"from {OURS}.module_utils._run.clone import run", 1),
        ("_plan", f"import {OURS}.module_utils._hypervisor.domains", 1),
        ("_plan", "import libvirt", 1),
        ("_plan", "def late():\n    import libvirt", 1),
        ("_xml", "from ansible.module_utils.basic import AnsibleModule", 1),
        ("_xml", "from lxml import etree\nimport re", 0),
        ("_xml", "from .._plan import clone", 1),
        ("_model", "from ._xml import domain", 1),
        ("_hypervisor", "import libvirt\nfrom .._libvirt_dep import require", 0),
        ("_hypervisor", "from .._image import manifest, journal", 2),
        ("_image", "import libvirt", 1),
        ("_image", "from .._argspec import CONNECTION", 1),
        ("modules", "from ..module_utils._run.clone import run", 0),
        ("modules", "from ..module_utils._hypervisor.connection import connect", 1),
    ],
)
def test_a_violation_is_found(layer, source, found):
    places = {"modules": f"{OURS}.modules", "_model": f"{OURS}.module_utils"}
    package = places.get(layer, f"{OURS}.module_utils.{layer}")
    assert len(violations(layer, source, package)) == found
