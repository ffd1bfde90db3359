#!/usr/bin/env bash
# Runs the tests from a fresh machine. Prints a time per stage and, at the end, the counts.
#   tools/test.sh            builds, and runs all suites in release and the demo
#   tools/test.sh all        the same and what CI looks at besides: every stage
#   tools/test.sh STAGE...   only these: layout format locks release tests demo tidy asan tsan mutants
# asan is ASan, LSan and UBSan over all suites but steady and cost (instructions, system calls) and chaos; tsan is TSan
# over those that run threads. Both run a tenth of the cases (CAIRN_TEST_SCALE).
# The deep forms (100,000 crash states, all mutants) are commands of their own: see tests/README.md.
set -uo pipefail
all=(layout format locks release tests demo tidy asan tsan mutants)
stages=()
for argument in "$@"; do
  case " ${all[*]} " in *" $argument "*) stages+=("$argument"); continue ;; esac
  case $argument in
    all) stages+=("${all[@]}") ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) echo "test.sh: there is no stage '$argument' (see --help)" >&2; exit 64 ;;
  esac
done
[ "${#stages[@]}" -gt 0 ] || stages=(release tests demo)
cd "$(dirname "$0")/.."

jobs=$(nproc)
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1  # the copy that gets the planted bugs shares its objects with the release build
total_begin=$SECONDS
passed=0
failed=0
summary=()

stage() {  # stage NAME COMMAND...
  local name=$1 begin=$SECONDS
  shift
  echo "=== $name"
  if "$@"; then
    summary+=("$(printf '%-10s ok      %4d s' "$name" $((SECONDS - begin)))")
  else
    summary+=("$(printf '%-10s FAILED  %4d s' "$name" $((SECONDS - begin)))")
    failed=$((failed + 1))
    finish
  fi
  echo "=== $name: $((SECONDS - begin)) s"
}

finish() {
  echo
  printf '%s\n' "${summary[@]}"
  echo "total: $((SECONDS - total_begin)) s"
  echo "$passed passed, $failed failed"
  exit $((failed > 0 ? 1 : 0))
}

# The launcher is there to save time when the same tree is built again.
configure() {  # configure PRESET
  cmake --preset "$1" -DCAIRN_WERROR=ON -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache >"build/$1.log" 2>&1 ||
    { cat "build/$1.log"; return 1; }
}
build() {  # build PRESET CMAKE-ARGUMENTS...
  configure "$1" && "${under[@]}" cmake --build "build/$1" -j "$jobs" "${@:2}" >"build/$1-build.log" 2>&1 ||
    { tail -n 60 "build/$1-build.log"; return 1; }
}

# What builds and tests run under. Sanitizers need their part of the address space, and kernels that spread mappings
# widely (vm.mmap_rnd_bits 32) take it at random. Tests are listed while they are built, so builds need this too.
under=()
sanitized() {
  [ "$(setarch -R echo works 2>/dev/null)" != works ] || under=(setarch -R)
  "$@"
  local status=$?
  under=()
  return "$status"
}

run_ctest() {  # run_ctest PRESET CTEST-ARGUMENTS...
  local log="build/$1-ctest.log"
  "${under[@]}" ctest --test-dir "build/$1" --output-on-failure -j "$jobs" "${@:2}" >"$log" 2>&1
  local status=$?
  local line
  line=$(grep -E '^[0-9]+% tests passed' "$log")
  echo "$line"
  # Counts that the tests print of themselves; ctest keeps the output of all of them here.
  grep -hE '^(crash|property|kill|flat cost|hot call|steady|reader|watch|mounts|damage|size|sync|chaos|sdk|guide): ' "build/$1/Testing/Temporary/LastTest.log" | sort -u
  echo "property: $(grep -hoE '^property: .*: [0-9]+ cases' "build/$1/Testing/Temporary/LastTest.log" | awk '{n += $(NF-1)} END {print n+0}') cases in all"
  local all bad
  all=$(sed -nE 's/.* tests failed out of ([0-9]+).*/\1/p' <<<"$line")
  bad=$(sed -nE 's/.*, ([0-9]+) tests failed.*/\1/p' <<<"$line")
  passed=$((passed + ${all:-0} - ${bad:-0}))
  failed=$((failed + ${bad:-0}))
  [ "$status" -eq 0 ] && [ "${all:-0}" -gt 0 ] && return
  tail -n 200 "$log"
  # At the end, where a reader of a cut log still sees it: the last words of each test that failed.
  sed -n '/The following tests FAILED/,$p' "$log" | sed -nE 's/^[[:space:]]*[0-9]+ - (.*) \((Failed|Timeout|SEGFAULT|.*Exception.*)\)$/\1/p' |
    while read -r name; do
      echo "--- $name"
      awk -v name="$name" '/^[0-9]+\/[0-9]+ Test(ing)?: / {sub(/^[^:]*: /, ""); mine = $0 == name} /^<end of output>/ {mine = 0} mine' \
        "build/$1/Testing/Temporary/LastTest.log" | grep -v '^\(--*\|"\)' | tail -n 50
    done
  return 1
}

layout() { tools/check_layout.sh; }
format() { git ls-files '*.cc' '*.h' '*.hpp' '*.c' | xargs clang-format --dry-run -Werror; }
locks() { configure release && tools/check_locks.sh build/release; }
release() { build release; }
tests() { run_ctest release; }
tidy() { configure analysis && tools/check_tidy.sh --rotating; }
asan() { sanitized address_and_undefined; }
tsan() { sanitized threads; }
address_and_undefined() {
  build asan &&
    CAIRN_TEST_SCALE=10 CAIRN_CRASH_STATES=300 ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 run_ctest asan
}
threads() {
  # TSan takes the mapping that the SIGBUS handler makes for a write of what stood there: ManyThreadsMeetTheFaultAtOnce.
  # Of the log's suites only GroupCommit has threads; the others damage every byte in turn, which takes TSan many minutes.
  # Two storages pass the suites of the routes: the one in memory is the tests' own, and the store does the same there.
  # What does one thing for a thousand clients or runs, or has one thread, is half of the suite's time under TSan.
  build tsan --target store_tests wal_tests threads_tests upstream_tests http_tests server_tests &&
    CAIRN_TEST_SCALE=10 run_ctest tsan -L '^(wal|store|threads|upstream|http|server)$' \
      -E '(^|/)(Format|Lives|LogWriting|PosixFilesTest|Reader|Recovery)[.]|^SigbusGuarded[.]ManyThreads|/Memory( |$)|[.](OneLookServesAThousandWhoWait|ALookVisitsOnlyWhatChanged|ASnapshotHasTheNewestThousand|MuchThatWasMissedComesInParts|ASnapshotOfLargeRunsIsWholeAndNoAnswerIsTooLarge|RunsThatChangeAgainBeforeALookHideNoOther|WhatDoesNotFit[A-Za-z]*)/|^JsonSyntax[.]'
}
mutants() { tools/check_teeth.sh --rotating 2; }
demo() { tools/demo.sh; }

tools/setup.sh || exit 1
mkdir -p build
for name in "${stages[@]}"; do
  stage "$name" "$name"
done
finish
