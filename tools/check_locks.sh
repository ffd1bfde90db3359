#!/usr/bin/env bash
# clang's thread-safety analysis over all sources of the product: what a lock guards is touched with it held, and who
# takes a lock gives it back (wal/thread_annotations.h). It knows no order of locks: for that there is wal/lock_rank.h.
#   tools/check_locks.sh [BUILD]   BUILD: a configured build directory (default build/release)
# It looks at the units that BUILD compiles: with several files in each it takes a third of the time. Exit 0 only if every
# source was looked at and has no finding.
set -uo pipefail
cd "$(dirname "$0")/.."
analysis='-Wno-everything -Wthread-safety -Werror=thread-safety'

# One unit: the parent calls this script again, so that xargs can spread the units over the cores.
if [ "${1:-}" = --one ]; then
  unit=$2
  command=$(grep -F "\"file\": \"$unit\"" -B 1 "$3/compile_commands.json" | sed -nE 's/^ *"command": "(.*)",$/\1/p' | head -n 1)
  command=$(sed -E 's/\\"/"/g; s/\\\\/\\/g; s/^[^ ]+ //; s/ -o [^ ]+ -c / /' <<<"$command")
  if ! output=$(eval "clang++ -fsyntax-only $command $analysis" 2>&1); then
    printf 'FAILED   %s\n%s\n' "${unit#"$PWD/"}" "$output"
    exit 1
  fi
  [ -z "$output" ] || printf '%s\n' "$output"
  echo "ok       ${unit#"$PWD/"}"
  exit 0
fi

build=${1:-build/release}
if [ ! -e "$build/compile_commands.json" ]; then
  echo "check_locks.sh: no $build/compile_commands.json; configure first: cmake --preset release" >&2
  exit 2
fi
begin=$SECONDS
# It is on: a member that is read without its lock is found.
probe='#include "wal/mutex.h"
struct Probe { cairn::Mutex lock{cairn::LockRank::kStep}; int n CAIRN_GUARDED_BY(lock) = 0; int get() { return n; } };'
# shellcheck disable=SC2086  # several arguments
found=$(clang++ -fsyntax-only -std=c++20 -I. $analysis -x c++ - <<<"$probe" 2>&1)
if [[ $found != *'requires holding mutex'* ]]; then
  echo "check_locks.sh: clang++ finds no read without a lock" >&2
  exit 1
fi
mapfile -t units < <(sed -nE 's/^ *"file": "(.*)",?$/\1/p' "$build/compile_commands.json" | sort -u |
  grep -E "^$PWD/($build/)?(wal|engine|api|tools)/.*\.cc$" | grep -vE '/api/examples/')
# The files of a unit, and those that are units of their own.
looked_at=$( { printf '%s\n' "${units[@]#"$PWD/"}"; cat /dev/null $(printf '%s\n' "${units[@]}" | grep '_units/') |
  sed -nE 's/^#include "(.*\.cc)"$/\1/p'; } | sort -u)
missing=$(comm -13 <(echo "$looked_at") <(git ls-files 'wal/*.cc' 'engine/*.cc' 'api/*.cc' 'tools/*.cc' |
  grep -v '^api/examples/' | sort -u))
if [ -n "$missing" ]; then
  printf 'sources that %s does not compile:\n%s\n' "$build" "$missing" >&2
  exit 1
fi
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
printf '%s\n' "${units[@]}" | xargs -P "$(nproc)" -I '{}' "$0" --one '{}' "$build" >"$lines"
status=$?
grep -v '^ok ' "$lines"
echo "locks: ${#units[@]} units, $(grep -c '^ok ' "$lines") without findings, $((SECONDS - begin)) s"
[ "$status" -eq 0 ]
