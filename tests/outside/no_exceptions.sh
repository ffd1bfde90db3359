#!/bin/sh
# no_exceptions.sh PREFIX SOURCE COMPILER...: the C ABI and the try_ names without exceptions and RTTI; what needs exceptions says so.
set -eu
. "$(dirname "$0")/expect.sh"
prefix=$1 source=$2
shift 2
for compiler in "$@"; do :; done  # the last: without a launcher
export PKG_CONFIG_PATH="$(dirname "$(find "$prefix" -name cairn.pc)")"
without="-std=c++20 -fno-exceptions -fno-rtti -Wall -Wextra -Werror"
"$@" $without "$source/main.cc" -c -o "$work/main.o" $(pkg-config --cflags cairn)
"$compiler" "$work/main.o" -o "$work/program" $(pkg-config --libs cairn)
LD_LIBRARY_PATH=$(pkg-config --variable=libdir cairn) \
  expect '{"phase":"training","progress":0.5,"loss":{"train":0.25},"log":["begun"],"steps":3,"inside":true}
phase: expected an integer of 64 bits, found a string' "$work/program"

refused() {  # refused CASE MESSAGE
  if "$compiler" $without -c -o "$work/refused.o" "-DCAIRN_TEST_$1" "$source/needs_exceptions.cc" $(pkg-config --cflags cairn) 2>"$work/log"; then
    refuse "$1: it compiles without exceptions"
  fi
  grep -q "error: .*$2" "$work/log" || { cat "$work/log" >&2; refuse "$1: the message does not say \"$2\""; }
}
refused CONVERSION 'conversion.h needs exceptions'
refused TASK 'task.h needs exceptions'
refused PACKED 'packed.h needs exceptions'
refused RUNTIME 'runtime.h needs exceptions'
refused THROWING_NAME 'without exceptions use the try_ form'
refused TYPED_READ 'without exceptions only json'
