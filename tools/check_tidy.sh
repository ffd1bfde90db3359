#!/usr/bin/env bash
# clang-tidy over the sources outside tests, with a line per file. Exit 0 only if every file was analysed and has no finding.
#   tools/check_tidy.sh [BUILD [FILE...]]   BUILD: a configured build directory (default build/analysis); FILE...: only these
#   tools/check_tidy.sh --rotating          those that changed in the last day of the history, by themselves or by
#                                           the header of their name, and a fifth of the others, another one each day
# A file without findings is not analysed again while it, the project's headers that it includes, its compile command and
# the checks stay the same (BUILD/tidy keeps what is known; remove it to start over).
set -uo pipefail
cd "$(dirname "$0")/.."

included_by() {  # the project's headers that FILE includes, and those that they include
  local -A seen=()
  local more=("$1") next name place
  while [ "${#more[@]}" -gt 0 ]; do
    next=()
    while read -r name; do
      for place in "$name" "api/include/$name"; do
        if [ -z "${seen[$place]:-}" ] && [ -e "$place" ]; then
          seen[$place]=yes
          next+=("$place")
        fi
      done
    done < <(sed -nE 's/^#include +["<]([^">]+)[">].*/\1/p' "${more[@]}" | sort -u)
    more=("${next[@]}")
  done
  [ "${#seen[@]}" -eq 0 ] || printf '%s\n' "${!seen[@]}" | sort
}

# Analyses one file: the parent calls this script again, so that xargs can spread the files over the cores.
if [ "${1:-}" = --one ]; then
  build=$2 known=$3 file=$4
  begin=$SECONDS
  command=$(grep -F "\"file\": \"$PWD/$file\"" -B 2 "$build/compile_commands.json")
  if [ -z "$command" ]; then
    echo "UNKNOWN         $file: not in $build/compile_commands.json"
    exit 1
  fi
  mapfile -t headers < <(included_by "$file")
  key=$( (echo "$known $command"; sha256sum "$file" "${headers[@]}") | sha256sum | cut -c1-32)
  if [ -e "$build/tidy/$key" ]; then
    echo "as before       $file"
    exit 0
  fi
  output=$(mktemp "$build/tidy/output-XXXXXX")
  timeout 280 clang-tidy -p "$build" --quiet "$file" >"$output" 2>&1
  status=$?
  spent=$((SECONDS - begin))
  # What clang-tidy says on stderr when all is well: how many warnings of system headers it leaves out.
  findings=$(grep -vE '^[0-9]+ warnings?( and [0-9]+ errors?)? generated\.$' "$output")
  rm -f "$output"
  if [ "$status" -eq 0 ] && [ -z "$findings" ]; then
    touch "$build/tidy/$key"
    printf 'ok       %4d s  %s\n' "$spent" "$file"
    exit 0
  fi
  if [ "$status" -gt 1 ]; then
    findings="clang-tidy ended with exit code $status"$'\n'"$findings"
  fi
  printf 'FAILED   %4d s  %s\n%s\n' "$spent" "$file" "$findings"
  exit 1
fi

rotating=
if [ "${1:-}" = --rotating ]; then
  rotating=yes
  shift
fi
build=${1:-build/analysis}
shift
if [ ! -e "$build/compile_commands.json" ]; then
  echo "check_tidy.sh: no $build/compile_commands.json; configure first: cmake --preset analysis" >&2
  exit 2
fi
mkdir -p "$build/tidy"
if [ $# -gt 0 ]; then
  files=("$@")
else
  mapfile -t files < <(git ls-files 'wal/*.cc' 'engine/*.cc' 'api/*.cc' 'api/*.c' 'tools/*.cc' 'bench/*.cc')
fi
if [ -n "$rotating" ]; then
  # Of a header the file of its name stands for those that include it; the others have their turn within five days.
  changed=$(git log --since="$(($(git log -1 --format=%ct) - 86400))" --name-only --format= | sed -nE 's/\.(cc|c|h|hpp)$//p' | sort -u)
  today=$(($(date +%s) / 86400 % 5))
  chosen=()
  for i in "${!files[@]}"; do
    if [ $((i % 5)) -eq "$today" ] || grep -qxF "${files[$i]%.*}" <<<"$changed"; then
      chosen+=("${files[$i]}")
    fi
  done
  echo "tidy: ${#chosen[@]} of ${#files[@]} files today"
  files=("${chosen[@]}")
fi
# What the outcome of every file hangs on.
known=$( (clang-tidy --version; git ls-files '*.clang-tidy' | xargs cat) | sha256sum)
begin=$SECONDS
lines=$(mktemp "$build/tidy/lines-XXXXXX")
trap 'rm -f "$lines"' EXIT
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 1 "$0" --one "$build" "$known" | tee "$lines"
status=${PIPESTATUS[1]}
good=$(grep -cE '^(ok|as before) ' "$lines")
bad=$(grep -cE '^(FAILED|UNKNOWN) ' "$lines")
echo "tidy: ${#files[@]} files, $good without findings ($(grep -c '^as before' "$lines") known from before), $bad failed, $((SECONDS - begin)) s"
[ "$status" -eq 0 ] && [ "$good" -eq "${#files[@]}" ]
