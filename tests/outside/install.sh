#!/bin/sh
# install.sh BUILD PREFIX: installs the build, then moves the tree to PREFIX: nothing in it may name where it was.
set -eu
rm -rf "$2" "$2.first"
cmake --install "$1" --prefix "$2.first" >/dev/null
mv "$2.first" "$2"
if grep -rIl "$2.first" "$2"; then
  echo "these files name the prefix they were installed to" >&2
  exit 1
fi
[ "$(find "$2" -type f -perm /022 | wc -l)" -eq 0 ]
