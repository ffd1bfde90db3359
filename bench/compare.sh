#!/usr/bin/env bash
# Cairn beside LMDB, LevelDB, RocksDB, SQLite, Redis and a hash table, on this machine: installs and builds what is
# missing, measures, draws. bench/README.md says how to read it.
#   bench/compare.sh [--quick | --full] [ARGUMENT...]
#     --quick       5 repetitions of half a second a case: 10 minutes with the build (default)
#     --full        9 repetitions of 5 s: 90 minutes
#     --out DIR     results.json, tables.md and a chart for each workload (default build/compare)
#     --dir DIR     where the stores stand while they are measured: a file system on the disk that you ask about
#                   (default build/compare-work)
#     --seed N, --only REGEX, --repetitions N, --seconds S, --no-proofs, --list: see build/release/cairn_compare --help
set -euo pipefail
cd "$(dirname "$0")/.."

out=build/compare
arguments=()
while [ "$#" -gt 0 ]; do
  case "$1" in
    --quick) ;;
    --out) out=$2; shift ;;
    --help | -h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) arguments+=("$1") ;;
  esac
  shift
done
case " ${arguments[*]:-} " in *" --dir "*) ;; *) arguments+=(--dir build/compare-work) ;; esac

tools/setup.sh bench
mkdir -p build
launcher=()
if command -v ccache >/dev/null; then launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache); fi
cmake --preset release "${launcher[@]}" >build/compare-build.log 2>&1 &&
  cmake --build build/release --target cairn_compare cairn_sync_counter >>build/compare-build.log 2>&1 ||
  { tail -n 30 build/compare-build.log >&2; exit 1; }

rm -rf "$out"
build/release/cairn_compare --out "$out" "${arguments[@]}"
[ -e "$out/results.json" ] || exit 0  # --list
if command -v gnuplot >/dev/null; then
  for data in "$out"/*.dat; do
    title=$(sed -n '1s/^# //p' "$data")
    gnuplot -e "data='$data'; chart='${data%.dat}.svg'; name='$(basename "$data" .dat): $title'" bench/compare/chart.gp
  done
  echo "charts and data: $out"
else
  echo "data: $out (no gnuplot, so no charts)"
fi
