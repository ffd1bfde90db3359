#!/usr/bin/env bash
# The demo, from a fresh machine: installs what is needed, builds, and runs a worker that checksums every file below a
# directory with four threads, one run per sub-tree. Midway it is killed with SIGKILL; what it had been told is compared
# with what survived; it is started again, goes on, and its results are compared with an independent pass. All the time
# its upstream is down. Then that is started, killed with SIGKILL while it takes what waits, and started again; in the
# end both sides are compared.
#   tools/demo.sh [--directory DIR] [--store DIR] [--keep]
#     --directory DIR  where the files are (default /usr/share)
#     --store DIR      where the store is made; not there yet (default: a temporary directory). The upstream's is made
#                      beside it, DIR-upstream
#     --keep           leave both stores there
# Exit 0 only if nothing acknowledged is missing and the kill came before the end.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
directory=/usr/share
store=
keep=no
while [ $# -gt 0 ]; do
  case $1 in
    --directory) directory=${2:?--directory needs a value}; shift 2 ;;
    --store) store=${2:?--store needs a value}; shift 2 ;;
    --keep) keep=yes; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) echo "demo.sh: unknown option '$1' (see --help)" >&2; exit 64 ;;
  esac
done
[ -d "$directory" ] || { echo "demo.sh: $directory is no directory" >&2; exit 64; }
for there in "$store" "${store:+$store-upstream}"; do
  if [ -n "$there" ] && [ -e "$there" ]; then
    echo "demo.sh: $there is there already; give a directory that is not" >&2
    exit 64
  fi
done

"$here/tools/setup.sh" build
cd "$here"
mkdir -p build
failed() { tail -n 40 build/demo-build.log >&2; echo "demo.sh: the build failed; all of it: build/demo-build.log" >&2; exit 70; }
# Without the tests, which need more packages, unless this tree has them already.
less=(-DCAIRN_TESTS=OFF -DCAIRN_BENCH=OFF)
if grep -qs '^CAIRN_TESTS:.*=ON' build/release/CMakeCache.txt; then less=(); fi
cmake --preset release "${less[@]}" >build/demo-build.log 2>&1 || failed
echo "demo: building the library, the command and the demo (minutes the first time)"
cmake --build build/release --target cairn_command checksum_worker demo_supervisor -j "$(nproc)" 2>&1 |
  tee -a build/demo-build.log |
  awk '/^\[[0-9]+\/[0-9]+\]/ { split(substr($1, 2), at, /[\/\]]/)
         tenth = int(at[1] * 10 / at[2])
         if (at[2] > 9 && tenth > told) { told = tenth; printf "demo: %d of %d steps built\n", at[1], at[2]; fflush() } }' ||
  failed
cd - >/dev/null

made=
sockets=
cleanup() {
  if [ "$keep" = yes ]; then
    [ -e "$store" ] && echo "the stores are kept: cairn ls --store $store, cairn ls --store $store-upstream"
  else
    rm -rf "$store" "$store-upstream"
  fi
  rm -rf "$sockets"
  if [ -n "$made" ] && [ "$keep" = no ]; then rm -rf "$made"; fi
}
if [ -z "$store" ]; then
  made=$(mktemp -d "${TMPDIR:-/tmp}/cairn-demo-XXXXXX")
  store=$made/store
fi
sockets=$(mktemp -d "${TMPDIR:-/tmp}/cairn-demo-socket-XXXXXX")  # a socket's path must be short
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

bin=$here/build/release
"$bin/demo_supervisor" --worker "$bin/checksum_worker" --store "$store" --directory "$directory" \
  --upstream "unix:$sockets/upstream"
echo
"$here/tools/demo/upstream.sh" "$bin" "$store" "$store-upstream" "$sockets/upstream"
echo
"$bin/cairn" ls --limit 5 --store "$store-upstream"
