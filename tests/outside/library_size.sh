#!/bin/sh
# library_size.sh LIBRARY BYTES-MAX: the stripped library is below.
set -eu
. "$(dirname "$0")/expect.sh"
strip -o "$work/stripped.so" "$1"
bytes=$(stat -c %s "$work/stripped.so")
echo "size: libcairn.so has $bytes bytes stripped, of $2 allowed"
[ "$bytes" -lt "$2" ]
