#!/usr/bin/env bash
# Figures of `cairn serve` on this machine, as a table in Markdown: requests that read, increments beside Node with
# SQLite, subscribers, held requests, workers. Server and client share the cores. Builds what is missing.
#   bench/serve.sh [ARGUMENT...]
#     --only ROW,...   these rows; --list shows all
#     --quick          a small form of each row, a minute in all: shows that it works, not what is reached
#     --json           one JSON object with all figures, instead of the table
#     --dir DIR        where the stores stand meanwhile: a file system on the disk that you ask about
#                      (default build/serve-bench)
#     --seed N         of the data and of the order in which those that are compared take turns
#     --profile ROW    perf looks at the server of this row alone, which costs some of its speed; then comes where the
#                      time went. Without perf: the CPU of each thread
#     --build DIR      use the programs in DIR as they are
# What it needs: g++ and the packages of tools/setup.sh; about 20,000 descriptors (ulimit -Hn) for 5,000 held requests.
# For the rows `put` and `put-power` also node 20 and npm, with a registry that npm reaches. better-sqlite3 12.11.1 is
# installed once into build/serve-bench/node. If its ready-made binary cannot be had, npm builds it, with python3, make,
# g++ and node's headers (Debian: libnode-dev, in /usr/include/node), which takes 3 minutes. If all that fails the rows
# say so, and show Cairn alone. Ctrl-C leaves nothing running.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly better_sqlite3=better-sqlite3@12.11.1

work=$PWD/build/serve-bench
directory=$work
build=
profiled=
only=
arguments=()
while [ "$#" -gt 0 ]; do
  case "$1" in
    --only) only=$2; arguments+=("$1" "$2"); shift ;;
    --dir) directory=$2; shift ;;
    --build) build=$2; shift ;;
    --profile) profiled=$2; shift ;;
    --help | -h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) arguments+=("$1") ;;
  esac
  shift
done
if [ -n "$profiled" ]; then
  only=$profiled
  arguments+=(--only "$profiled" --profile "$profiled" --profile-file "$work/perf.data")
fi
mkdir -p "$work"

if [ -z "$build" ]; then
  build=build/release
  tools/setup.sh
  launcher=()
  if command -v ccache >/dev/null; then launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
  cmake --preset release "${launcher[@]}" >"$work/build.log" 2>&1 &&
    cmake --build build/release --target serve_bench >>"$work/build.log" 2>&1 ||
    { tail -n 30 "$work/build.log" >&2; exit 1; }
fi

# Sets why_not where node cannot have better-sqlite3.
install_better_sqlite3() {
  why_not=
  command -v node >/dev/null && command -v npm >/dev/null || { why_not="there is no node or no npm"; return; }
  local check="new (require('better-sqlite3'))(':memory:')"
  mkdir -p "$work/node"
  if [ "$(cat "$work/node/installed" 2>/dev/null)" != "$better_sqlite3" ]; then
    echo "installing $better_sqlite3" >&2
    if [ -e /usr/include/node/node.h ]; then export npm_config_nodedir=/usr; fi
    echo '{"private": true}' >"$work/node/package.json"
    (cd "$work/node" && npm install --no-audit --no-fund "$better_sqlite3") >"$work/npm.log" 2>&1 ||
      { why_not="npm cannot install $better_sqlite3, see $work/npm.log"; return; }
    (cd "$work/node" && node -e "$check") >>"$work/npm.log" 2>&1 ||
      { why_not="node cannot load $better_sqlite3, see $work/npm.log"; return; }
    echo "$better_sqlite3" >"$work/node/installed"
  fi
}
case ",${only:-put},${arguments[*]:-}," in
  *--list*) ;;
  *,put,* | *,put-power,*)
    install_better_sqlite3
    if [ -n "$why_not" ]; then arguments+=(--without-node "$why_not"); else arguments+=(--node-modules "$work/node"); fi ;;
esac

"$build/serve_bench" --dir "$directory" ${arguments[@]+"${arguments[@]}"} &
bench=$!
for signal in INT TERM HUP; do trap "kill -$signal $bench 2>/dev/null" "$signal"; done
status=0
wait "$bench" || status=$?
# A signal ends the first wait; the servers have ended when serve_bench has.
while kill -0 "$bench" 2>/dev/null; do wait "$bench" || status=$?; done
if [ -n "$profiled" ] && [ -e "$work/perf.data" ]; then
  perf report -i "$work/perf.data" --stdio --no-children -g none --percent-limit 1 2>/dev/null | grep -vE '^#|^$' || true
fi
exit "$status"
