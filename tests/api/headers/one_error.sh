#!/bin/sh
# one_error.sh COMPILER INCLUDE SOURCE: the source gives exactly one error, and that is ours.
set -eu
for variant in VALUE FUNCTION READ; do
  if output=$("$1" -std=c++20 -fsyntax-only "-I$2" "-DCAIRN_TEST_$variant" "$3" 2>&1); then
    echo "$variant: it compiles"
    exit 1
  fi
  errors=$(printf '%s\n' "$output" | grep -c ' error: ' || true)
  if [ "$errors" -ne 1 ] || ! printf '%s\n' "$output" | grep -q 'error: static.* cairn: this type '; then
    printf '%s: %s errors:\n%s\n' "$variant" "$errors" "$output"
    exit 1
  fi
done
