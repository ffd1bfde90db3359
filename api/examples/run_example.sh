#!/bin/sh
# run_example.sh PROGRAM EXPECTED: runs an example in an empty directory and compares what it prints.
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
"$1" >output
diff -u "$2" output
