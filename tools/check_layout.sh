#!/usr/bin/env bash
# Holds the rules of the tree that no compiler checks: which layer may include which, and who may include LMDB and msgpack;
# and the pages, by check_pages.sh.
set -uo pipefail
cd "$(dirname "$0")/.."
bad=0
refuse() {  # refuse WHAT MATCHES
  [ -z "$2" ] && return
  echo "$1:" >&2
  echo "$2" >&2
  bad=1
}
refuse "wal/ includes engine/ or the API" "$(git grep -nE '#include +["<](api|engine|cairn)/' -- wal | grep -v 'cairn/status\.h')"
refuse "engine/ includes the API" "$(git grep -nE '#include +["<](api/|cairn/)' -- 'engine/*.cc' 'engine/*.h' | grep -v 'cairn/status\.h')"
# In bench/compare LMDB is a peer.
refuse "lmdb.h outside engine/tables" \
  "$(git grep -nE '#include +<lmdb\.h>' -- wal engine api tools bench | grep -vE '^engine/tables/|^bench/compare/(engine_lmdb|contenders)\.cc')"
refuse "msgpack.hpp outside the codecs" "$(git grep -nE '#include +<msgpack' -- wal engine api tools | grep -vE '^engine/json/msgpack|^api/include/cairn/packed\.h')"
# packed.h is for those who have msgpack-c; cairn.hpp does not include it.
refuse "public headers need more than the standard library, nlohmann and each other" \
  "$(git grep -nE '#include +["<](boost|curl|libpq|lmdb|msgpack|simdjson|xxhash|engine|wal)' -- api/include | grep -v '^api/include/cairn/packed\.h')"
refuse "top-level folders that are not the project's" \
  "$(git ls-files | awk -F/ 'NF>1{print $1}' | sort -u | grep -vxE 'engine|api|wal|bench|tests|tools|\..*')"
refuse "files named util, common, helpers or manager" "$(git ls-files | grep -E '/(util|common|helpers|manager)[._]')"
# A file of ours at 0, 1 or 2 would get the host's next print (wal/descriptor.h).
refuse "a descriptor that may be a standard one: make it a Descriptor, or pass it through above_standard()" \
  "$(git ls-files 'wal/*.cc' 'wal/*.h' 'engine/*.cc' 'engine/*.h' 'api/*.cc' 'api/*.h' | grep -vE '^(wal/descriptor\.h|api/examples/)' |
    xargs grep -PzoH '(?:above_standard\(|Descriptor( \w+)?\()\s*::\w+\((*SKIP)(*F)|(?<!\w)::(open|openat|socket|accept4|eventfd|timerfd_create|memfd_create)\([^\n]*\n|(?<!\w)(openat|opendir|accept4|eventfd|timerfd_create|memfd_create|inotify_init1|fopen|mkstemp)\([^\n]*\n' | tr '\0' '\n')"
refuse "bytes that are not ASCII in sources" "$(git ls-files '*.cc' '*.h' '*.hpp' '*.c' '*.sh' | xargs grep -lP '[^\x00-\x7F]')"
refuse "a label of a comment that does not begin its line" \
  "$(git grep -nE '^ \*.*[.;] (Durable|Errors|Lifetime|Threads|Cost|Handles|Forks|Signals|Memory|Structs)[.:] ' -- api/include)"
refuse "a lock of the standard library: use wal/mutex.h, which knows ranks and clang's attributes" \
  "$(git grep -nE 'std::((recursive_|shared_|timed_)*mutex|condition_variable(_any)?|unique_lock|lock_guard|scoped_lock|shared_lock)\b' \
    -- 'wal/*.cc' 'wal/*.h' 'engine/*.cc' 'engine/*.h' 'api/*.cc' 'api/*.h' 'tools/*.cc' 'tools/*.h' ':!wal/mutex.h' ':!api/include' ':!api/examples' |
    grep -vE '^[^:]+:[0-9]+: *//')"
unlooked=$(git grep -n 'CAIRN_NO_THREAD_SAFETY_ANALYSIS' -- wal engine api tools ':!wal/thread_annotations.h' ':!tools/check_layout.sh')
refuse "more than 10 functions without clang's thread-safety analysis" \
  "$([ "$(grep -c . <<<"$unlooked")" -le 10 ] || echo "$unlooked")"
# Which folder may include which, directly, below the same top-level folder. Every folder that has files needs a line.
# engine/ stands on wal/; its rooms are listed from the ground up, and each may include some of those above its line.
folder_pairs='
engine/base:
engine/json:        engine/base
engine/directory:   engine/base
engine/document:    engine/base engine/json
engine/diff:        engine/base engine/document engine/json
engine/records:     engine/base engine/diff engine/document engine/json
engine/staging:     engine/base engine/diff engine/json
engine/tables:      engine/base engine/directory engine/records
engine/replay:      engine/diff engine/records engine/staging engine/tables
engine/sync:        engine/base engine/diff engine/json engine/records engine/tables
engine/salvage:     engine/base engine/diff engine/directory engine/records engine/sync engine/tables
engine/reader:      engine/base engine/directory engine/records engine/replay engine/salvage engine/staging engine/sync engine/tables
engine/store:       engine/base engine/diff engine/directory engine/document engine/json engine/records engine/replay engine/salvage engine/staging engine/sync engine/tables
engine/maintenance: engine/base engine/directory engine/reader engine/records engine/replay engine/salvage engine/store engine/sync engine/tables
engine/watch:       engine/base engine/reader engine/store
tools:          tools/commands tools/input tools/process
tools/commands: tools/dump tools/help tools/input tools/measure tools/output tools/process tools/relay tools/serve tools/sim tools/store tools/sync
tools/demo:
tools/dump:     tools/output tools/process
tools/help:     tools/input tools/output
tools/input:    tools/output tools/process
tools/measure:
tools/output:
tools/process:
tools/relay:    tools/output tools/process tools/serve tools/store tools/sync
tools/serve:    tools/input tools/output tools/process tools/sync
tools/sim:
tools/store:    tools/input tools/output tools/process
tools/sync:     tools/output tools/process
'
# No circle of includes between files or folders of these; a .cc counts as its header.
without_circles='wal engine api tools'

includes=$(awk -F: -v files="$(git ls-files -- $without_circles)" '
  BEGIN { n = split(files, names, "\n"); for (i = 1; i <= n; ++i) known[names[i]] = 1 }
  { to = $2; sub(/^#include +["<]/, "", to); sub(/[">].*/, "", to)
    if (to ~ /^cairn\//) to = "api/include/" to
    if (to in known) print $1, to }' < <(git grep -E '^#include +["<][a-z_]+/' -- $without_circles))
folder_of='function folder_of(path) { sub(/\/[^\/]*$/, "", path); return path }'
refuse "a folder that may not include the other (move the file, or what both need; the table is in tools/check_layout.sh)" \
  "$(awk -v table="$folder_pairs" "$folder_of"'
    BEGIN {
      n = split(table, lines, "\n")
      for (i = 1; i <= n; ++i) {
        count = split(lines[i], words, " ")
        if (count == 0) continue
        from = words[1]; sub(/:$/, "", from); held[from] = 1
        top = from; sub(/\/.*/, "", top); tops[top] = 1
        for (j = 2; j <= count; ++j) may[from, words[j]] = 1
      }
    }
    { from = folder_of($1); to = folder_of($2); top = from; sub(/\/.*/, "", top) }
    !(top in tops) { next }
    !(from in held) && !(from in named) { named[from] = 1; print from " has no line in the table" }
    from != to && index(to, top) == 1 && !((from, to) in may) { print $1 " includes " $2 }' <<<"$includes")"
# Takes away what includes nothing, and what nothing includes, until only circles and the ways between them are left.
circles='
  { from = name_of($1); to = name_of($2) }
  from != to && !((from, to) in edge) { edge[from, to] = 1; froms[++n] = from; tos[n] = to; out[from]++; in_[to]++ }
  END {
    do {
      gone = 0
      for (i = 1; i <= n; ++i)
        if (!dead[i] && (!out[tos[i]] || !in_[froms[i]])) { dead[i] = 1; out[froms[i]]--; in_[tos[i]]--; gone = 1 }
    } while (gone)
    for (i = 1; i <= n; ++i) if (!dead[i]) print froms[i] " -> " tos[i]
  }'
refuse "files that include each other in a circle (give what both need a file of its own)" \
  "$(awk 'function name_of(path) { sub(/\.(cc|c|h)$/, "", path); return path }'"$circles" <<<"$includes")"
refuse "folders that include each other in a circle" "$(awk "$folder_of"' function name_of(path) { return folder_of(path) }'"$circles" <<<"$includes")"
tools/check_pages.sh || bad=1
exit "$bad"
