#!/bin/sh
# upstream.sh PREFIX SOURCE C-COMPILER CMAKE-ARGUMENTS...: projects that ask for the upstream link it, by CMake with both
# libraries and by pkg-config; those that do not ask need no libcurl, and libcairn.so neither.
set -eu
. "$(dirname "$0")/expect.sh"
prefix=$1 source=$2 compiler=$3
shift 3
built() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }; }
built cmake -S "$source" -B "$work/build" -G Ninja "-DCMAKE_PREFIX_PATH=$prefix" "$@"
built cmake --build "$work/build"
expect "kept for later" "$work/build/upstream_with_cairn"
expect "kept for later" "$work/build/upstream_with_cairn_static"
loads_libcairn "$work/build/upstream_with_cairn" || refuse "upstream_with_cairn does not load libcairn.so"
! loads_libcairn "$work/build/upstream_with_cairn_static" || refuse "upstream_with_cairn_static loads libcairn.so"

built cmake -S "$source" -B "$work/without" -G Ninja "-DCMAKE_PREFIX_PATH=$prefix" -DWITH_UPSTREAM=OFF "$@"
! readelf -d "$prefix"/lib*/libcairn.so "$prefix"/lib/*/libcairn.so 2>/dev/null | grep -E 'NEEDED.*(curl|zstd)' ||
  refuse "libcairn.so needs what the upstream is made of"

export PKG_CONFIG_PATH="$(dirname "$(find "$prefix" -name cairn-upstream.pc)")"
built $compiler -std=c11 -pedantic -Wall -Wextra -Werror "$source/main.c" -o "$work/by_pkg_config" \
  $(pkg-config --cflags --libs cairn-upstream)
LD_LIBRARY_PATH=$(pkg-config --variable=libdir cairn) expect "kept for later" "$work/by_pkg_config"
