#!/usr/bin/env bash
# What Galaxy does with an upload. A warning is a failure.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

importer=$(tools_venv importer)
directory=$cache/importer
rm -rf "$directory"
mkdir -p "$directory"
archive=$(build "$directory")
cd "$directory"
PATH=$importer/bin:$PATH GALAXY_IMPORTER_CHECK_REQUIRED_TAGS=1 python -m galaxy_importer.main "$archive" 2>&1 | tee said
if grep -E '^(WARNING|ERROR|CRITICAL)' said; then exit 1; fi
