#!/usr/bin/env bash
# integration.sh STACK: the tests against a real libvirt daemon: the machine's (system) or a Debian suite's (trixie).

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

core=$(usable_cores | tail -n 1)
integration=$(venv integration "$(core_python "$core")" "ansible-core~=$core.0" -r "$root/requirements.txt" \
  -r "$root/tests/integration/requirements.txt")
workspace=$(workspace "integration-$1")
export PATH=$integration/bin:$PATH ANSIBLE_COLLECTIONS_PATH=$workspace PYTHONPATH=$workspace
cd "$workspace/ansible_collections/golden/libvirt"
steps=()
# There is more time for the matrix than for what CI asks for, and other dice each time: a failure tells the seed.
if [[ $1 != system ]]; then steps=(--steps 1000 --seed "$RANDOM"); fi
pytest tests/integration --stack "$1" "${steps[@]}"
