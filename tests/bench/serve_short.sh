#!/usr/bin/env bash
# bench/serve.sh in its shortest form: rows of each kind are there with their requests, a server that dies makes no
# figure, a signal leaves no server running and no store behind. Nothing is timed.
#   serve_short.sh SOURCE BUILD
set -euo pipefail
source=$1
build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "serve: $*" >&2; cat "$work/table" "$work/log" >&2; exit 1; }
run() { "$source/bench/serve.sh" --build "$build" --quick --dir "$work/stores" "$@"; }

run --only retrieve,filter,deliver,workers >"$work/table" 2>"$work/log" || fail "it ended with $?"
for row in retrieve filter deliver workers; do
  grep -qE "^\| $row \| .* \| [1-9][0-9,.]* \| [0-9.]+ \| [1-9][0-9.]* \|$" "$work/table" || fail "no row $row with requests"
done
[ "$(grep -cE '^\| retrieve ' "$work/table")" = 2 ] || fail "not both routes"
grep -q '10 of 5,000 fit' "$work/table" || fail "no filter that few fit"
[ -z "$(ls "$work/stores")" ] || fail "left something behind: $(ls "$work/stores")"

run --only nonsense >"$work/table" 2>"$work/log" && fail "took a row that is none"
grep -q "no row 'nonsense'" "$work/log" || fail "does not say which row is none"

# Sets bench and server.
start() {
  "$source/bench/serve.sh" --build "$build" --quick --dir "$work/stores" --only follow >"$work/table" 2>"$work/log" &
  bench=$!
  server=
  for _ in $(seq 200); do
    # The brackets keep grep from finding itself.
    server=$(grep -l "$work/stores/[s]erve-" /proc/[0-9]*/cmdline 2>/dev/null | cut -d/ -f3 || true)
    [ -n "$server" ] && return
    sleep 0.05
  done
  fail "no server was started"
}
start
kill -KILL "$server"
wait "$bench" && fail "took a server that died for one that answered"
grep -q '^serve_bench: follow: ' "$work/log" || fail "does not say which row failed"
[ -z "$(ls "$work/stores")" ] || fail "a failure left something behind: $(ls "$work/stores")"

start
kill -TERM "$bench"
wait "$bench" && fail "a signal did not end it"
! kill -0 "$server" 2>/dev/null || fail "the server still runs after a signal"
[ -z "$(ls "$work/stores")" ] || fail "a signal left something behind: $(ls "$work/stores")"
echo "serve: rows, a wrong row, a server that died and a signal"
