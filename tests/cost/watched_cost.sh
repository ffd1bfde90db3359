#!/usr/bin/env bash
# A watcher must cost the writers nothing: watched_cost.sh PROGRAM prints instructions per set without and with a watch of
# all runs that looks after every 100,000 sets, its own work included, and fails when they differ by 3 % or more.
set -euo pipefail
program=$1
few=1000 many=301000
. "$(dirname "$0")/instructions.sh"

per_thousand_sets() {
  local more less
  more=$(instructions 4096 roomy "$many" "$@") && less=$(instructions 4096 roomy "$few" "$@") || return 1
  echo $(((more - less) * 1000 / (many - few)))
}

alone=$(per_thousand_sets)
watched=$(per_thousand_sets watched)
printf 'watched cost: %d instructions per 1000 sets alone, %d watched\n' "$alone" "$watched"
[ $((watched * 100)) -lt $((alone * 103)) ]
