#!/bin/sh
# run_example.sh PROGRAM EXPECTED [ARGUMENTS...]: runs an example in an empty directory and compares what it prints.
set -eu
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
cd "$directory"
program=$1 expected=$2
shift 2
"$program" "$@" >output
diff -u "$expected" output
