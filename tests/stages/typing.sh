#!/usr/bin/env bash
# mypy, strict.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

tools=$(tools_venv tools)
workspace=$(workspace typing)
cd "$workspace"
MYPYPATH=$workspace "$tools/bin/mypy" --config-file ansible_collections/golden/libvirt/pyproject.toml \
  --cache-dir "$cache/mypy" --package ansible_collections.golden.libvirt.plugins
