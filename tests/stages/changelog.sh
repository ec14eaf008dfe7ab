#!/usr/bin/env bash
# The changelog, its fragments and their format.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

tools=$(tools_venv tools)
cd "$(workspace changelog)/ansible_collections/golden/libvirt"
export PATH=$tools/bin:$PATH
antsibull-changelog lint
antsibull-changelog lint-changelog-yaml changelogs/changelog.yaml
