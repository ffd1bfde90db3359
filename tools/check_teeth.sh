#!/usr/bin/env bash
# Plants each bug of tests/mutants/ in a copy of the tree, builds it, and expects its tests to fail.
#   tools/check_teeth.sh               all
#   tools/check_teeth.sh NAME...       these
#   tools/check_teeth.sh --rotating N  N of them, others each day
# The first lines of a patch say which tests must turn red:  # tests: BINARY [ARGUMENTS...]
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
copy=$root/build/teeth

mapfile -t all < <(cd tests/mutants && ls ./*.patch | sed 's|^\./||; s|\.patch$||')
names=("$@")
if [ "${1:-}" = --rotating ]; then
  day=$(($(date +%s) / 86400))
  names=()
  for ((i = 0; i < $2; ++i)); do
    names+=("${all[$(((day * $2 + i) % ${#all[@]}))]}")
  done
elif [ "${#names[@]}" -eq 0 ]; then
  names=("${all[@]}")
fi

mkdir -p "$copy"
for folder in api bench engine tests tools wal CMakeLists.txt CMakePresets.json; do
  mkdir -p "$copy/source"
  cp -a --no-target-directory "$folder" "$copy/source/$folder"
done
cmake -S "$copy/source" -B "$copy/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCAIRN_BENCH=OFF -DCAIRN_TOOLS=OFF \
  -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_C_COMPILER_LAUNCHER=ccache >"$copy/configure.log" 2>&1 || { cat "$copy/configure.log"; exit 1; }

caught=0
missed=()
for name in "${names[@]}"; do
  patch_file=$root/tests/mutants/$name.patch
  read -r -a command < <(sed -n 's/^# tests: //p' "$patch_file")
  if ! patch -d "$copy/source" -p1 --batch --silent <"$patch_file"; then
    echo "teeth: $name does not apply" >&2
    missed+=("$name")
    exit 1
  fi
  if ! cmake --build "$copy/build" -j "$(nproc)" --target "${command[0]}" >"$copy/$name.log" 2>&1; then
    tail -n 30 "$copy/$name.log"
    echo "teeth: $name does not build" >&2
    exit 1
  fi
  if (cd "$copy/build" && CAIRN_TEETH=1 timeout 900 "./${command[@]}") >"$copy/$name.log" 2>&1; then
    echo "teeth: $name SURVIVED"
    missed+=("$name")
  else
    echo "teeth: $name caught"
    caught=$((caught + 1))
  fi
  patch -d "$copy/source" -p1 --batch --silent --reverse <"$patch_file"
done
echo "teeth: $caught of ${#names[@]} planted bugs caught"
[ "${#missed[@]}" -eq 0 ]
