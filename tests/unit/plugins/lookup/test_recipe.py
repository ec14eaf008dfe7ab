# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe: the same for the same ingredients, another one for any other."""

from __future__ import annotations

import subprocess

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.golden.libvirt.plugins.lookup.recipe import LookupModule


def git(path, *command):
    subprocess.run(["git", "-C", path, "-c", "user.name=t", "-c", "user.email=t@t", *command], check=True)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A playbook's directory with a file of tasks and two roles, of which one depends on the other."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "web.yml").write_text("tasks")
    for role, meta in (("web", "dependencies: [{role: common}]"), ("common", "")):
        (tmp_path / "roles" / role / "meta").mkdir(parents=True)
        (tmp_path / "roles" / role / "meta" / "main.yml").write_text(meta)
        (tmp_path / "roles" / role / "tasks").mkdir()
        (tmp_path / "roles" / role / "tasks" / "main.yml").write_text("tasks")
    return tmp_path


def recipe(variables=None, files=("web.yml",), **options):
    options = {"roles": ["web"], "values": {"port": 80}, **options}
    (digest,) = LookupModule().run(list(files), variables or {}, **options)
    return digest


def test_the_same_ingredients_give_the_same_recipe(project):
    assert recipe() == recipe({"other": 1})
    assert len(recipe()) == 64


@pytest.mark.parametrize(
    "change",
    [
        lambda project: (project / "web.yml").write_text("other"),
        lambda project: (project / "roles" / "web" / "tasks" / "main.yml").write_text("other"),
        lambda project: (project / "roles" / "common" / "tasks" / "main.yml").write_text("other"),
        lambda project: (
            (project / "roles" / "common" / "files").mkdir()
            or (project / "roles" / "common" / "files" / "x").write_text("")
        ),
    ],
)
def test_any_other_file_gives_another_recipe(project, change):
    before = recipe()
    change(project)
    assert recipe() != before


@pytest.mark.parametrize(
    "other", [{"values": {"port": 81}}, {"roles": []}, {"files": []}, {"revision": "7"}, {"values": {"port": "80"}}]
)
def test_any_other_ingredient_gives_another_recipe(project, other):
    assert recipe() != recipe(**other)


def test_the_revision_is_the_one_that_awx_says_or_that_of_git_with_what_was_changed(project):
    of_nothing = recipe()
    assert recipe({"awx_project_revision": "abc"}) == recipe(revision="abc") != of_nothing
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    first = recipe()
    assert first not in (of_nothing, recipe(revision="abc"))
    (project / "web.yml").write_text("tasks\n")
    changed = recipe(files=[], roles=[])
    (project / "web.yml").write_text("tasks")
    assert recipe() == first
    assert changed != recipe(files=[], roles=[])


def test_a_role_or_file_that_is_not_there_is_named(project):
    with pytest.raises(AnsibleLookupError, match="there is no role nginx in"):
        recipe(roles=["nginx"])
    with pytest.raises(AnsibleLookupError, match="none.yml cannot be read: No such file"):
        recipe(files=["none.yml"])
