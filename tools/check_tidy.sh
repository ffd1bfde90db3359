#!/usr/bin/env bash
# clang-tidy over the sources outside tests. Needs a configured build directory: tools/check_tidy.sh build/release
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:-build/release}
git ls-files 'wal/*.cc' 'engine/*.cc' 'api/*.cc' 'tools/*.cc' |
  xargs -P "$(nproc)" -n 4 clang-tidy -p "$build" --quiet 2>/dev/null >build/tidy.log
status=$?
grep -E 'warning:|error:' build/tidy.log | sort -u | head -40
exit "$status"
