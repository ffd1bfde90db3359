#!/usr/bin/env bash
# Holds the rules of the tree that no compiler checks: which layer may include which, and who may include LMDB and msgpack.
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
refuse "engine/ includes the API" "$(git grep -nE '#include +["<](api/|cairn/)' -- engine | grep -v 'cairn/status\.h')"
# In bench/compare LMDB is a peer.
refuse "lmdb.h outside engine/tables*" \
  "$(git grep -nE '#include +<lmdb\.h>' -- wal engine api tools bench | grep -vE '^engine/tables|^bench/compare/(engine_lmdb|contenders)\.cc')"
refuse "msgpack.hpp outside the codecs" "$(git grep -nE '#include +<msgpack' -- wal engine api tools | grep -vE '^engine/(msgpack|diff_codec|run_record|sync/batch)|^api/include/cairn/packed\.h')"
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
exit "$bad"
