# Sourced by the scripts of this directory, which have set `program` to what they count.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# instructions ARGUMENT...: what the program executes with these. A run that fails, or counts nothing, ends the script.
instructions() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$@" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
  awk '/Collected/ {print $NF; found = 1} END {exit !found}' "$work/log"
}
