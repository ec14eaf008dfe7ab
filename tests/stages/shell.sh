#!/usr/bin/env bash
# Every shell script, through ShellCheck.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

tools=$(tools_venv tools)
cd "$root"
git ls-files -z --cached --others --exclude-standard '*.sh' .ci/run | xargs -0 "$tools/bin/shellcheck" --external-sources
