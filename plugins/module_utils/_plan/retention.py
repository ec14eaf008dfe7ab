# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which versions are kept, and which may go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ansible_collections.golden.libvirt.plugins.module_utils import _names as names
from ansible_collections.golden.libvirt.plugins.module_utils._model import Lineage, Version


@dataclass(frozen=True)
class Rule:
    """What may go: what is not among the *keep_last* newest of its image, was created before *before* (UTC, ISO 8601)
    and has none of the *labels* (name or name=value). None sets no limit; without any, nothing may go."""

    keep_last: int | None = None
    before: str | None = None
    labels: tuple[str, ...] = ()


def due(rule: Rule, versions: Iterable[Version]) -> list[Lineage]:
    """The versions of one image that may go, as far as the rule says; its newest never may."""
    if rule.keep_last is None and rule.before is None:
        return []
    newest = sorted(versions, key=lambda version: (version.created, names.order(version.version)), reverse=True)
    old = [
        version
        for version in newest[max(1, rule.keep_last or 0) :]
        if rule.before is None or version.created < rule.before
    ]
    return [Lineage(version.image, version.version) for version in old if not labelled(version, rule.labels)]


def labelled(version: Version, labels: Sequence[str]) -> bool:
    """Whether a version has one of *labels*."""
    has = {*version.labels, *(f"{name}={value}" for name, value in version.labels.items())}
    return any(label in has for label in labels)
