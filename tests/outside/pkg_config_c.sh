#!/bin/sh
# pkg_config_c.sh PREFIX SOURCE COMPILER: C11 by pkg-config, shared; and static, from a prefix that has the archive only.
set -eu
. "$(dirname "$0")/expect.sh"
prefix=$1 source=$2 compiler=$3
flags='-std=c11 -pedantic -Wall -Wextra -Werror'
printed='{"progress":0.5,"phase":"training"}'
directory=$(dirname "$(find "$prefix" -name cairn.pc)")
export PKG_CONFIG_PATH="$directory"
$compiler $flags "$source" -o "$work/shared" $(pkg-config --cflags --libs cairn)
loads_libcairn "$work/shared" || refuse "the program does not load libcairn.so"
LD_LIBRARY_PATH=$(pkg-config --variable=libdir cairn) expect "$printed" "$work/shared"

cp -r "$prefix" "$work/archive"
find "$work/archive" -name 'libcairn.so*' -delete
export PKG_CONFIG_PATH="$work/archive/${directory#"$prefix"/}"
$compiler $flags "$source" -o "$work/static" $(pkg-config --static --cflags --libs cairn)
expect "$printed" "$work/static"
[ "$(pkg-config --modversion cairn)" = "$("$prefix/bin/cairn" --version | grep -oE '[0-9]+\.[0-9]+\.[0-9]+')" ]
