#!/usr/bin/env bash
# run.sh STAGE…: runs stages side by side and ends with the line `N passed, N failed`. A stage is a script in
# tests/stages, with its argument after a colon; `sanity:ends` stands for the oldest and the newest ansible-core that
# there is a Python for, `sanity:all` for all of them. Logs are in tests/output.

# shellcheck source=tests/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

expand() {
  local stage core
  for stage; do
    case $stage in
      *:ends) for core in $(usable_cores | sed -n '1p;$p' | uniq); do echo "${stage%ends}$core"; done ;;
      *:all) for core in $(usable_cores); do echo "${stage%all}$core"; done ;;
      *) echo "$stage" ;;
    esac
  done
}

run_stage() {
  local child stage=$1 log=$output/${1/:/-}.log script=$root/tests/stages/${1%%:*}.sh result=passed start=$SECONDS
  timeout --kill-after=30 "${STAGE_SECONDS:-4800}" "$script" "${stage#*:}" >"$log" 2>&1 </dev/null &
  child=$!
  trap 'kill "$child"' TERM
  wait "$child" || result=FAILED
  echo "$result" >"$results/$stage"
  printf '%-18s %s in %d s\n' "$stage" "$result" $((SECONDS - start))
  # What pytest itself says at its end.
  sed -n 's/^=* \([0-9]* \(passed\|failed\|error\|skipped\).* in [0-9].*s\).*/    \1/p' "$log"
}

"$root/tests/setup.sh"
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
trap 'kill $(jobs -p); exit 130' INT TERM
mapfile -t stages < <(expand "$@")

for stage in "${stages[@]}"; do
  while (($(jobs -rp | wc -l) >= ${JOBS:-$(nproc)})); do wait -n || true; done
  run_stage "$stage" &
done
wait

failed=0
for stage in "${stages[@]}"; do
  if [[ $(cat "$results/$stage") != passed ]]; then
    failed=$((failed + 1))
    echo "--- $stage: end of tests/output/${stage/:/-}.log"
    grep -v '^Running sanity test' "$output/${stage/:/-}.log" | tail -n 40
  fi
done
echo "$((${#stages[@]} - failed)) passed, $failed failed"
((failed == 0))
