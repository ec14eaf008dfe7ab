#!/usr/bin/env bash
# units.sh CORE: the unit tests on this core's Python and, where it is found, on the oldest that a hypervisor may have.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

workspace=$(workspace "units-$1")
own=$("$(core_python "$1")" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
for python in "$own" 3.9; do
  if find_python "$python" >/dev/null; then
    ansible_test "$1" "$workspace" units --venv --color no --python "$python"
  else
    echo "Python $python is left out: not found"
  fi
done
