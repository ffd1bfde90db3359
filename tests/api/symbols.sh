#!/bin/sh
# symbols.sh LIBRARY LIST: the library exports the functions of the list and nothing else. A function that goes, or one that is
# new, is a change of the ABI: edit the list in the same commit.
set -eu
nm -D --defined-only "$1" | awk '{ sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort | diff -u "$2" -
