#!/bin/sh
# cmake_cpp.sh PREFIX SOURCE CMAKE-ARGUMENTS...: the project finds the package and builds with both libraries.
set -eu
prefix=$1 source=$2
shift 2
. "$(dirname "$0")/expect.sh"
cmake -S "$source" -B "$work/build" -G Ninja "-DCMAKE_PREFIX_PATH=$prefix" "$@" >"$work/log" 2>&1 &&
  cmake --build "$work/build" >>"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
printed='{"progress":0.5,"loss":{"test":0.75,"train":0.25},"steps":3} 0.75'
expect "$printed" "$work/build/with_cairn"
expect "$printed" "$work/build/with_cairn_static"
loads_libcairn "$work/build/with_cairn" || refuse "with_cairn does not load libcairn.so"
! loads_libcairn "$work/build/with_cairn_static" || refuse "with_cairn_static loads libcairn.so"
