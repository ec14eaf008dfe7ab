#!/usr/bin/env bash
# ruff's checks, as pyproject.toml sets them.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

tools=$(tools_venv tools)
cd "$root"
"$tools/bin/ruff" check
