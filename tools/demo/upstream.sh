#!/usr/bin/env bash
# The demo's second half: the upstream that was down all the time comes, is killed with SIGKILL while it takes what
# waits, and comes again; then both sides are compared.
#   upstream.sh BIN STORE UPSTREAM SOCKET
#     BIN       where cairn is
#     STORE     the worker's store, attached to unix:SOCKET
#     UPSTREAM  where the upstream's store is made
# Exit 0 only if both sides are equal.
set -euo pipefail
cairn=$1/cairn store=$2 upstream=$3 socket=$4
url=unix:$socket
log=$upstream.log
server=
trap 'rm -f "$log.sync" "$log.here" "$log.there"; [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true' EXIT

start_upstream() {
  rm -f "$socket"
  "$cairn" serve --store "$upstream" --listen "$url" >"$log" 2>&1 &
  server=$!
  disown "$server"  # or the shell reports how it ended
  for _ in $(seq 500); do
    grep -q '^listening' "$log" && return
    kill -0 "$server" 2>/dev/null || break
    sleep 0.02
  done
  cat "$log" >&2
  exit 70
}
# What of the store the upstream has and what not: all but the sequence, which each store counts for itself.
runs_of() { "$cairn" export --store "$1" | sed 's/"sequence":"[0-9]*",//'; }

run=$("$cairn" ls --store "$store" --json | sed -n '1s/.*"id":"\([^"]*\)".*/\1/p')
echo "why a run is not upstream, while there is none:"
"$cairn" why --store "$store" "$run" || true
echo
start_upstream
echo "upstream: cairn serve has started, process $server"
"$cairn" sync --store "$store" --upstream "$url" --batch-runs 1 --deadline 3s >"$log.sync" 2>&1 &
sender=$!
for _ in $(seq 1000); do
  [ "$("$cairn" ls --store "$upstream" 2>/dev/null | wc -l)" -ge 1 ] && break
  sleep 0.002
done
kill -9 "$server"
server=
wait "$sender" || true
had=$(runs_of "$upstream" 2>/dev/null | wc -l)
echo "kill:     it ended by SIGKILL when it had $had runs; the sender said:"
sed 's/^/          /' "$log.sync"
start_upstream
echo "again:    cairn serve has started, process $server"
"$cairn" sync --store "$store" --upstream "$url" --deadline 60s | sed 's/^/          /'
kill -TERM "$server"
while kill -0 "$server" 2>/dev/null; do sleep 0.02; done
server=
sed -n '/batches with/s/^/          upstream: /p' "$log"
runs_of "$store" >"$log.here"
runs_of "$upstream" >"$log.there"
if ! cmp -s "$log.here" "$log.there"; then
  echo "WRONG: the upstream differs from the store:" >&2
  diff "$log.here" "$log.there" | head -n 20 >&2
  exit 1
fi
echo "check:    $(wc -l <"$log.here") runs on both sides, equal to the byte: status, times, tags and metadata"
rm -f "$log"
