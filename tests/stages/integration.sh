#!/usr/bin/env bash
# The tests against a real libvirt daemon.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

core=$(usable_cores | tail -n 1)
integration=$(venv integration "$(core_python "$core")" "ansible-core~=$core.0" -r "$root/requirements.txt" \
  -r "$root/tests/integration/requirements.txt")
workspace=$(workspace integration)
export PATH=$integration/bin:$PATH ANSIBLE_COLLECTIONS_PATH=$workspace PYTHONPATH=$workspace
cd "$workspace/ansible_collections/golden/libvirt"
pytest tests/integration
