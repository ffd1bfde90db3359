#!/usr/bin/env bash
# What the hot calls of libcairn.so cost, in instructions, against those of FIGURES (tests/data/hot_calls.txt).
# Instructions do not depend on what else the machine does.
#   hot_calls.sh PROGRAM FIGURES           fails when a call costs over 10 % more than its figure, or has none
#   hot_calls.sh PROGRAM FIGURES --write   writes the figures; a commit that changes them says why
set -euo pipefail
program=$1 figures=$2
few=200 many=1200
. "$(dirname "$0")/instructions.sh"

# glibc and simdjson choose code for the processor: here always that of x86-64-v2.
export GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX,-AVX512F,-AVX512VL,-AVX512BW,-ERMS,-FSRM
export SIMDJSON_FORCE_IMPLEMENTATION=westmere

calls=$("$program")
status=0
: >"$work/figures"
for call in $calls; do
  less=$(instructions "$call" "$few")
  more=$(instructions "$call" "$many")
  cost=$(((more - less) / (many - few)))
  echo "$call $cost" >>"$work/figures"
  known=$(awk -v call="$call" '$1 == call {print $2}' "$figures")
  verdict=
  if [ -z "$known" ]; then
    verdict='  NO FIGURE'
    status=1
  elif [ $((cost * 10)) -gt $((known * 11)) ]; then
    verdict='  TOO DEAR'
    status=1
  fi
  printf 'hot call: %-24s %7d instructions, figure %7s%s\n' "$call" "$cost" "${known:-none}" "$verdict"
done
if [ "${3:-}" = --write ]; then
  cp "$work/figures" "$figures"
  exit 0
fi
if ! diff <(awk '{print $1}' "$figures") <(awk '{print $1}' "$work/figures"); then
  echo "hot call: the calls are not those of $figures"
  status=1
fi
exit "$status"
