#!/bin/sh
# one_error.sh COMPILER INCLUDE SOURCE MESSAGE VARIANT...: each variant of the source gives exactly one error, and what
# the compiler says of it matches MESSAGE.
set -eu
compiler=$1 include=$2 source=$3 message=$4
shift 4
for variant in "$@"; do
  if output=$("$compiler" -std=c++20 -fsyntax-only "-I$include" "-DCAIRN_TEST_$variant" "$source" 2>&1); then
    echo "$variant: it compiles"
    exit 1
  fi
  errors=$(printf '%s\n' "$output" | grep -c ' error: ' || true)
  if [ "$errors" -ne 1 ] || ! printf '%s\n' "$output" | grep -q "$message"; then
    printf '%s: %s errors:\n%s\n' "$variant" "$errors" "$output"
    exit 1
  fi
done
