# Sourced: `expect TEXT PROGRAM...` runs the program on a new store and compares what it prints.
expect() {
  wanted=$1
  shift
  printed=$("$@" "$work/store") || { echo "$*: failed: $printed" >&2; exit 1; }
  [ "$printed" = "$wanted" ] || { printf '%s: it printed\n%s\nand not\n%s\n' "$*" "$printed" "$wanted" >&2; exit 1; }
  rm -rf "$work/store"
}
loads_libcairn() { readelf -d "$1" | grep -q 'NEEDED.*libcairn'; }
refuse() { echo "$1" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
