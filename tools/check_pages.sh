#!/usr/bin/env bash
# Holds the pages (*.md) to what a reader relies on: README is short, lines are short, links lead somewhere, and every
# file of engine/ is named with its job.
set -uo pipefail
cd "$(dirname "$0")/.."
bad=0
refuse() {  # refuse WHAT MATCHES
  [ -z "$2" ] && return
  echo "$1:" >&2
  echo "$2" >&2
  bad=1
}
files=$(git ls-files)
mapfile -t pages < <(grep '\.md$' <<<"$files")

lines=$(wc -l <README.md)
refuse "README.md has more than 120 lines: what is beyond belongs beside its code (api/GUIDE.md, engine/sync/GUIDE.md)" \
  "$([ "$lines" -le 120 ] || echo "$lines lines")"

# Tables and code blocks cannot be wrapped; of a link its target does not count.
refuse "Markdown lines over 100 columns" "$(awk '
  FNR == 1 { code = 0 }
  /^ *```/ { code = !code; next }
  code || /^ *\|/ { next }
  { text = $0; gsub(/\]\([^) ]*\)/, "]", text) }
  length(text) > 100 { print FILENAME ":" FNR ": " length(text) " columns" }' "${pages[@]}")"

# The anchor of a heading, as GitHub makes it; of those that are equal the second gets -1, and so on.
refuse "links that lead nowhere" "$(awk -v files="$files" '
  function folder_of(path) { if (path !~ /\//) return ""; sub(/\/[^\/]*$/, "", path); return path }
  function resolve(base, path,   n, parts, out, depth, i) {
    n = split((base == "" ? "" : base "/") path, parts, "/")
    depth = 0
    for (i = 1; i <= n; ++i) {
      if (parts[i] == "" || parts[i] == ".") continue
      if (parts[i] == "..") { if (depth == 0) return "outside"; --depth } else out[++depth] = parts[i]
    }
    path = ""
    for (i = 1; i <= depth; ++i) path = path (i > 1 ? "/" : "") out[i]
    return path
  }
  BEGIN {
    n = split(files, names, "\n")
    for (i = 1; i <= n; ++i) for (path = names[i]; path != ""; path = folder_of(path)) known[path] = 1
  }
  FNR == 1 { code = 0 }
  /^ *```/ { code = !code; next }
  code { next }
  /^#+ / {
    anchor = tolower($0)
    sub(/^#+ +/, "", anchor)
    gsub(/[^a-z0-9 _-]/, "", anchor)
    gsub(/ /, "-", anchor)
    again = count[FILENAME, anchor]++
    anchors[FILENAME "#" anchor (again ? "-" again : "")] = 1
  }
  {
    text = $0
    gsub(/`[^`]*`/, "", text)
    while (match(text, /\]\([^)]*\)/)) {
      target = substr(text, RSTART + 2, RLENGTH - 3)
      text = substr(text, RSTART + RLENGTH)
      if (target ~ /^[a-z]+:/) continue
      links[++count_of_links] = target; from[count_of_links] = FILENAME; at[count_of_links] = FNR
    }
  }
  END {
    for (i = 1; i <= count_of_links; ++i) {
      path = links[i]; sub(/#.*/, "", path)
      page = path == "" ? from[i] : resolve(folder_of(from[i]), path)
      where = from[i] ":" at[i] ": " links[i]
      if (!(page in known)) { print where ": there is no " page; continue }
      if (links[i] !~ /#/) continue
      anchor = links[i]; sub(/^[^#]*#/, "", anchor)
      if (!((page "#" anchor) in anchors)) print where ": " page " has no such heading"
    }
  }' "${pages[@]}")"

# A module (a .cc, a .h without one) is named as `room/name.cc` or `room/name.h`. The sentence around it, or the row of
# the table, says its job: five words at least that are no code.
refuse "files of engine/ that no page names with their job (say it in engine/ROOMS.md)" "$(awk -v files="$files" '
  function judge(sentence,   names, words, module) {
    words = sentence
    gsub(/`[^`]*`/, "", words)
    gsub(/[^A-Za-z]+/, " ", words)
    if (split(words, names, " ") < 5) return
    while (match(sentence, /[a-z_]+\/[a-z0-9_]+\.(cc|h)/)) {
      module = substr(sentence, RSTART, RLENGTH)
      sentence = substr(sentence, RSTART + RLENGTH)
      sub(/\.[a-z]+$/, "", module)
      said[module] = 1
    }
  }
  function end_block(   n, sentences, i) {
    n = split(block, sentences, /[.:;] /)
    for (i = 1; i <= n; ++i) judge(sentences[i])
    block = ""
  }
  FNR == 1 { end_block(); code = 0 }
  /^ *```/ { end_block(); code = !code; next }
  code { next }
  /^ *\|/ { end_block(); judge($0); next }
  /^ *$/ || /^#/ || /^ *([-*]|[0-9]+\.) / { end_block() }
  { block = block " " $0 }
  END {
    end_block()
    n = split(files, names, "\n")
    for (i = 1; i <= n; ++i) {
      if (names[i] !~ /^engine\/[a-z]+\/[a-z0-9_]+\.(cc|h)$/) continue
      module = names[i]
      sub(/^engine\//, "", module); sub(/\.(cc|h)$/, "", module)
      if (!(module in said) && !(module in missing)) missing[module] = names[i]
    }
    for (module in missing) print missing[module]
  }' "${pages[@]}" | sort)"

refuse "files that a page names and that are not there" "$(awk -v files="$files" '
  BEGIN {
    n = split(files, names, "\n")
    for (i = 1; i <= n; ++i) for (path = names[i]; ; sub(/^[^\/]*\//, "", path)) {
      known[path] = 1
      if (path !~ /\//) break
    }
    known["lmdb.h"] = 1  # of others
  }
  FNR == 1 { code = 0 }
  /^ *```/ { code = !code; next }
  code { next }
  {
    text = $0
    while (match(text, /`[A-Za-z0-9_\/.]+\.(cc|h|hpp|sh|md)`/)) {
      name = substr(text, RSTART + 1, RLENGTH - 2)
      text = substr(text, RSTART + RLENGTH)
      if (!(name in known)) print FILENAME ":" FNR ": " name
    }
  }' "${pages[@]}")"
exit "$bad"
