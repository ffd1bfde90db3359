#!/usr/bin/env bash
# A watcher must cost the writers nothing: watched_cost.sh PROGRAM prints instructions per set without and with a watch of
# all runs that looks after every 100,000 sets, its own work included, and fails when they differ by 3 % or more.
set -euo pipefail
program=$1
few=1000 many=301000
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

instructions() {
  valgrind --tool=callgrind --callgrind-out-file="$work/out" "$program" "$@" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
  awk '/Collected/ {print $NF}' "$work/log"
}
per_thousand_sets() { echo $((($(instructions 4096 roomy "$many" "$@") - $(instructions 4096 roomy "$few" "$@")) * 1000 / (many - few))); }

alone=$(per_thousand_sets)
watched=$(per_thousand_sets watched)
printf 'watched cost: %d instructions per 1000 sets alone, %d watched\n' "$alone" "$watched"
[ $((watched * 100)) -lt $((alone * 103)) ]
