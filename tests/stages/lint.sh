#!/usr/bin/env bash
# ansible-lint, profile production.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

tools=$(tools_venv tools)
workspace=$(workspace lint)
cd "$workspace/ansible_collections/golden/libvirt"
PATH=$tools/bin:$PATH ANSIBLE_COLLECTIONS_PATH=$workspace ansible-lint --profile production --offline --strict --nocolor
