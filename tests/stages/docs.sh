#!/usr/bin/env bash
# The documentation of modules, plugins and roles is well-formed, every reference resolves, and the table of snapshots is
# current.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

tools=$(tools_venv tools)
workspace=$(workspace docs)
cd "$workspace/ansible_collections/golden/libvirt"
PATH=$tools/bin:$PATH antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs all \
  --disallow-unknown-collection-refs --skip-rstcheck .
"$tools/bin/python" "$root/scripts/snapshot_table.py" --check
