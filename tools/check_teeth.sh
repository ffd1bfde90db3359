#!/usr/bin/env bash
# Plants each bug of tests/mutants/ in a copy of the tree and expects the tests that its patch names to turn red.
# A patch begins with two lines:   # what: the bug in one line
#                                  # tests: BINARY [ARGUMENTS...]
# Caught means that a test failed or died. What does not apply, does not build, matches no test, is red without the bug
# or runs into the time limit is an error, never a catch.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 2
root=$PWD
patches=$root/tests/mutants
copy=$root/build/teeth
original=$copy/original   # the tree as it was when this began
source=$copy/source       # the tree that gets the bugs
build=$source/build/release
logs=$copy/logs
seconds_max=300           # for one run of tests
# The places of sources relative to their build are those of build/release, so its objects are taken from the cache.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

usage() {
  cat <<'TEXT'
usage: tools/check_teeth.sh [--list | --rotating N | NAME...]
  (nothing)      all planted bugs
  NAME...        these (names as --list prints them)
  --rotating N   N of them, others each day
  --list         names, and what each bug is
Prints one line for each. Exits with 0 if every bug was caught, 1 if not, 2 if it was called wrongly.
TEXT
}
wrong() { echo "teeth: $1" >&2; exit 2; }
first_line() { sed -n "1,5s/^# $2: //p" "$patches/$1.patch"; }  # first_line NAME what|tests
touched() { sed -nE 's|^\+\+\+ b/([^[:space:]]+).*|\1|p' "$patches/$1.patch"; }

# ---------------------------------------------------------------------------------------------------- which ones

mapfile -t all < <(cd "$patches" && ls -- *.patch 2>/dev/null | sed 's|\.patch$||')
[ "${#all[@]}" -gt 0 ] || wrong "no patches in tests/mutants"
names=()
checked=("${all[@]}")
case ${1:-} in
  -h | --help) usage; exit 0 ;;
  --list)
    for name in "${all[@]}"; do printf '%-40s %s\n' "$name" "$(first_line "$name" what)"; done
    exit 0 ;;
  --rotating)
    [[ ${2:-} =~ ^[1-9][0-9]*$ ]] && [ "$#" -eq 2 ] || wrong "--rotating takes a number"
    day=$(($(date +%s) / 86400))
    for ((i = 0; i < $2 && i < ${#all[@]}; ++i)); do names+=("${all[$(((day * $2 + i) % ${#all[@]}))]}"); done ;;
  -*) usage >&2; exit 2 ;;
  "") names=("${all[@]}") ;;
  *)
    for name in "$@"; do
      name=$(basename "$name" .patch)
      [ -f "$patches/$name.patch" ] || wrong "no planted bug of the name $name"
      names+=("$name")
    done
    checked=("${names[@]}") ;;
esac
for name in "${checked[@]}"; do
  [ -n "$(first_line "$name" what)" ] || wrong "$name.patch does not say what it is"
  [ "$(first_line "$name" tests | wc -l)" -eq 1 ] || wrong "$name.patch does not have one line with its tests"
  [ -n "$(touched "$name")" ] && ! touched "$name" | grep -qvE '^(wal|engine|api|tools)/.*\.(cc|h|hpp|c)$' || wrong "$name.patch changes more than the product"
done

# ------------------------------------------------------------------------------------------------------ the copy

mkdir -p "$original" "$source" "$logs"
exec 9>"$copy/lock"
flock --nonblock 9 || wrong "another run is at work in build/teeth"

# Files that are the same keep their times, so that only what changed is built again.
update() {  # update FROM TO
  (cd "$1" && find . -type f -not -path './build/*' -print0) | while IFS= read -r -d '' file; do
    cmp -s "$1/$file" "$2/$file" || { mkdir -p "$2/$(dirname "$file")" && cp -p "$1/$file" "$2/$file" && touch "$2/$file"; }
  done
  (cd "$2" && find . -type f -not -path './build/*' -print0) | while IFS= read -r -d '' file; do
    [ -e "$1/$file" ] || rm -f "$2/$file"
  done
}
running=0
restore() {
  for file in "${planted[@]}"; do cp "$original/$file" "$source/$file"; done
  planted=()
}
planted=()
stop() {
  trap - INT TERM EXIT
  [ "$running" -eq 0 ] || { kill "$running" && wait "$running"; } 2>/dev/null
  restore
  exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM
trap 'stop $?' EXIT

rm -rf "$original" && mkdir "$original"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
  [ ! -e "$file" ] || printf '%s\0' "$file"
done | tar --null --files-from=- -cf - | tar -C "$original" -xf - || wrong "the tree cannot be copied"
update "$original" "$source"

# Each patch must still fit, also those that are not asked for today: the source moves on.
apply() {  # apply NAME LOG [OPTIONS...]
  patch -d "$source" -p1 --fuzz=0 --forward --no-backup-if-mismatch -r - "${@:3}" <"$patches/$1.patch" >"$2" 2>&1
}
stale=()
for name in "${checked[@]}"; do
  apply "$name" "$logs/apply.log" --dry-run || { grep -E 'FAILED|find file' "$logs/apply.log"; stale+=("$name"); }
done
[ "${#stale[@]}" -eq 0 ] || wrong "no longer apply to the source: ${stale[*]}"

in_background() {  # in_background COMMAND...: so that a signal to this script is not kept waiting
  "$@" 9>&- &
  running=$!
  wait "$running" 2>/dev/null
  local status=$?
  running=0
  return "$status"
}
configure() {
  cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCAIRN_WERROR=ON -DCAIRN_BENCH=OFF -DCAIRN_TOOLS=ON \
    -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_C_COMPILER_LAUNCHER=ccache "-DCAIRN_TEST_DATA=$root/tests/data" \
    -DCMAKE_GTEST_DISCOVER_TESTS_DISCOVERY_MODE=PRE_TEST >"$logs/configure.log" 2>&1
}
in_background configure || { cat "$logs/configure.log"; wrong "the copy cannot be configured"; }
make() {  # make LOG TARGET...
  in_background cmake --build "$build" -j "$(nproc)" --target "${@:2}" >"$1" 2>&1
}
run() {  # run LOG COMMAND...
  in_background env -C "$build" timeout -k 10 "$seconds_max" "./$2" "${@:3}" >"$1" 2>&1
}

# ------------------------------------------------------------------------------------------ first, without a bug

begin=$SECONDS
mapfile -t commands < <(for name in "${names[@]}"; do first_line "$name" tests; done | sort -u)
mapfile -t binaries < <(printf '%s\n' "${commands[@]}" | cut -d' ' -f1 | sort -u)
make "$logs/baseline-build.log" "${binaries[@]}" || { tail -n 40 "$logs/baseline-build.log"; wrong "the tree does not build without a bug"; }

# A filter whose tests were renamed would catch nothing, or pass for the wrong reason.
matches() {  # matches BINARY ARGUMENTS...: each pattern of the filter matches a test
  local argument pattern patterns=('*')
  for argument in "${@:2}"; do
    [[ $argument == --gtest_filter=* ]] && IFS=: read -r -a patterns <<<"${argument#--gtest_filter=}"
  done
  for pattern in "${patterns[@]}"; do
    "$build/$1" --gtest_list_tests "--gtest_filter=$pattern" 2>/dev/null | grep -q '^  ' || { echo "$pattern matches no test"; return 1; }
  done
}
for command in "${commands[@]}"; do
  read -r -a words <<<"$command"
  log=$logs/baseline.log
  missing=$(matches "${words[@]}") || wrong "$command: $missing"
  run "$log" "${words[@]}" || { tail -n 40 "$log"; wrong "red without a planted bug: $command"; }
  ran=$(sed -nE 's/^\[  PASSED  \] ([0-9]+) tests?\.$/\1/p' "$log")
  [ "${ran:-0}" -gt 0 ] || wrong "ran no test: $command"
done
echo "teeth: without a bug ${#commands[@]} test commands are green ($((SECONDS - begin)) s)"

# ---------------------------------------------------------------------------------------------- then, one by one

verdict() {  # verdict STATUS LOG: prints what happened; true if the bug was caught
  local red
  red=$(sed -nE 's/^\[  FAILED  \] ([A-Za-z0-9_/]+\.[^ ,]+).*/\1/p' "$2" | sort -u | awk 'NR <= 2 {text = text (NR > 1 ? ", " : "") $0} END {print text (NR > 2 ? " and " NR - 2 " more" : "")}')
  case $1 in
    0) echo "SURVIVED: all tests are green"; return 1 ;;
    124 | 137 | 143) echo "ERROR: killed, or over the limit of $seconds_max s"; return 1 ;;
    1) [ -n "$red" ] && echo "caught by $red" && return 0 ;;
  esac
  if [ "$1" -gt 128 ] && grep -q '^\[ RUN      \] ' "$2"; then
    echo "caught by $(sed -nE 's/^\[ RUN      \] ([^ ]+).*/\1/p' "$2" | tail -n 1), which died of SIG$(kill -l $(($1 - 128)))"
    return 0
  fi
  echo "ERROR: status $1 without a failed test"
  return 1
}

caught=0
for name in "${names[@]}"; do
  begin=$SECONDS
  read -r -a words < <(first_line "$name" tests)
  mapfile -t planted < <(touched "$name")
  if ! apply "$name" "$logs/$name-patch.log"; then
    result="ERROR: does not apply"
  elif ! make "$logs/$name-build.log" "${words[0]}"; then
    result="ERROR: does not build"
    grep -m 5 ' error: ' "$logs/$name-build.log"
  else
    run "$logs/$name.log" "${words[@]}"
    result=$(verdict $? "$logs/$name.log") && caught=$((caught + 1))
  fi
  restore
  printf 'teeth: %-40s %3d s  %s\n' "$name" $((SECONDS - begin)) "$result"
done
echo "teeth: $caught of ${#names[@]} planted bugs caught"
[ "$caught" -eq "${#names[@]}" ]
