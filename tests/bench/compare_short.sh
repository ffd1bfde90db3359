#!/usr/bin/env bash
# The comparison, in its shortest form: every engine does its work, is killed and keeps what it acknowledged, and the
# counter of syncs tells one that acknowledges before its sync from one that does not. Nothing is timed.
#   compare_short.sh BUILD
set -euo pipefail
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$build/cairn_compare" --seconds 0.02 --repetitions 1 --only 'W1|W5-point|power-4' --dir "$work/stores" --out "$work/out" >"$work/tables" 2>"$work/log" ||
  { cat "$work/log" >&2; exit 1; }
[ -z "$(ls "$work/stores")" ] || { echo "compare: left something behind: $(ls "$work/stores")"; exit 1; }
# It has failed above if an engine lost what it acknowledged, or acknowledged before a sync. Memory alone must lose it.
grep -qE '^\| memory only \| 3 \| [1-9][0-9]* \| 3 \(expected' "$work/tables"
for engine in cairn 'cairn power' 'lmdb nosync' 'lmdb sync'; do
  grep -qE "^\| $engine \| 3 \| [1-9][0-9]* \| 0 \|" "$work/tables" || { echo "compare: $engine was not killed"; exit 1; }
done
for engine in 'cairn power' 'lmdb sync'; do
  grep -qE "^\| $engine \| 500 \| 0 \| [0-9.]+ \| [0-9.]+ \|" "$work/tables" || { echo "compare: syncs of $engine"; exit 1; }
done
echo "compare: $(grep -c '"contender"' "$work/out/results.json") cases and proofs"

# An engine that does not sync must be found out.
truncate -s 4096 "$work/counters"
mkdir "$work/liar"
CAIRN_BENCH_SYNC_COUNTERS=$work/counters LD_PRELOAD=$build/libcairn_sync_counter.so \
  "$build/cairn_compare" --prove-power 'lmdb nosync' --dir "$work/liar" >"$work/lie"
grep -q '"acknowledged":500' "$work/lie" && grep -q '"unsynced":500' "$work/lie" || { cat "$work/lie"; exit 1; }
