# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: recipe
short_description: Tell what a version is made from, in one word
version_added: "0.1.0"
description:
  - The digest of everything that goes into a version - the revision of the project, files, all files of roles and of
    the roles that these depend on, and values. The same on any machine and at any time for the same of these.
  - It is what M(golden.libvirt.promote) takes as O(golden.libvirt.promote#module:recipe).
author:
  - The golden.libvirt developers (@golden-libvirt)
options:
  _terms:
    description: Files, absolute or from where C(ansible-playbook) is called.
    type: list
    elements: path
  roles:
    description: Roles, by the name that C(include_role) would take.
    type: list
    elements: str
    default: []
  values:
    description: Anything else that goes in, such as variables.
    type: raw
  revision:
    description:
      - The revision of the project. By default C(awx_project_revision) where AWX says it, else that of the git
        repository that the first file is in (without a file, the directory that C(ansible-playbook) is called from).
        What was changed there and not committed counts, too, but for files that git does not know.
    type: str
"""

EXAMPLES = r"""
- name: Promote a domain, unless there is a version of the same recipe
  golden.libvirt.promote:
    domain: web-build
    image: web
    recipe: "{{ lookup('golden.libvirt.recipe', 'web.yml', roles=['nginx'], values={'port': port}) }}"
"""

RETURN = r"""
_raw:
  description: The SHA-256 digest, in hexadecimal digits.
  type: list
  elements: str
"""

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import yaml
from ansible import constants
from ansible.errors import AnsibleLookupError
from ansible.parsing.yaml.dumper import AnsibleDumper
from ansible.plugins.lookup import LookupBase
from ansible.utils.collection_loader._collection_finder import _get_collection_role_path


class LookupModule(LookupBase):  # type: ignore[misc]
    def run(
        self,
        terms: Sequence[str],
        variables: Any = None,
        *,
        roles: Sequence[str] = (),
        values: Any = None,
        revision: str | None = None,
    ) -> list[str]:
        said, files = variables or {}, [os.path.abspath(os.path.expanduser(term)) for term in terms]
        if revision is None:
            place = os.path.dirname(files[0]) if files else os.getcwd()
            revision = said.get("awx_project_revision") or git_revision(place)
        places = [os.path.join(place, "roles") for place in (os.getcwd(), said.get("playbook_dir", "."))]
        paths = found_roles(roles, [*places, *constants.DEFAULT_ROLES_PATH])
        ingredients = {
            "revision": revision,
            "files": [digest_of(file) for file in files],
            "roles": {name: dict(files_of(path)) for name, path in paths.items()},
            # Through YAML, which knows all of Ansible's kinds of text.
            "values": yaml.dump(values, Dumper=AnsibleDumper, sort_keys=True),
        }
        return [hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()]


def found_roles(names: Sequence[str], places: Sequence[str]) -> dict[str, str]:
    """The directories of roles and of those that they depend on."""
    found: dict[str, str] = {}
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = role_path(name, places)
            waiting += dependencies_of(found[name])
    return found


def role_path(name: str, places: Sequence[str]) -> str:
    """The directory of a role: of a collection, or in one of *places*, or at a path."""
    if name.count(".") >= 2:
        of_collection = _get_collection_role_path(name)
        if of_collection:
            return str(of_collection[1])
    for path in [os.path.join(place, name) for place in places] + [os.path.abspath(name)]:
        if os.path.isdir(path):
            return path
    raise AnsibleLookupError(f"working out the recipe: there is no role {name} in {', '.join(places)}")


def dependencies_of(path: str) -> list[str]:
    """The roles that the meta data of a role name."""
    for name in ("main.yml", "main.yaml"):
        meta = os.path.join(path, "meta", name)
        if os.path.exists(meta):
            with open(meta, encoding="utf-8") as file:
                said = (yaml.safe_load(file) or {}).get("dependencies") or []
            return [of if isinstance(of, str) else str(of.get("role") or of.get("name")) for of in said]
    return []


def files_of(path: str) -> Iterator[tuple[str, str]]:
    """The files below a directory, by their paths from there, with their digests; version control's left out."""
    for directory, below, names in os.walk(path):
        below[:] = sorted(name for name in below if name not in (".git", "__pycache__"))
        for name in sorted(names):
            full = os.path.join(directory, name)
            if os.path.isfile(full):
                yield os.path.relpath(full, path), digest_of(full)


def digest_of(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError as err:
        raise AnsibleLookupError(f"working out the recipe: {path} cannot be read: {err.strerror}") from err


def git_revision(directory: str) -> str:
    """The revision of the repository that *directory* is in, with what was changed since; empty where it is in none."""
    asked = [git(directory, "rev-parse", "HEAD"), git(directory, "diff", "HEAD")]
    return "" if asked[0] is None else asked[0] + hashlib.sha256((asked[1] or "").encode()).hexdigest()


def git(directory: str, *command: str) -> str | None:
    """What git says; None where it says nothing useful."""
    try:
        done = subprocess.run(
            ["git", "-C", directory, *command], check=False, capture_output=True, text=True, errors="replace"
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None
