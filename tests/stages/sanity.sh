#!/usr/bin/env bash
# sanity.sh CORE: ansible-test's own checks, all of them, nothing ignored.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

if compgen -G "$root/tests/sanity/ignore-*.txt"; then
  echo "Nothing is ignored here: mend the code instead." >&2
  exit 1
fi
ansible_test "$1" "$(workspace "sanity-$1")" sanity --local --color no
