#!/bin/sh
# headers.sh PREFIX WORK COMPILER...: each public header compiles alone where the machine has no Boost, curl, libpq, nor what the
# library itself is made of. Without nlohmann/json too, cairn.h does, and the C++ headers say what they need.
set -eu
. "$(dirname "$0")/expect.sh"
prefix=$1 place=$2  # a place of its own, so that a compiler cache finds it again
shift 2
rm -rf "$place"
mkdir -p "$place"

# The compiler's own search path, but with links to all that is in each folder except the hidden names.
hidden='boost|curl|postgresql|libpq.*|lmdb\.h|msgpack.*|simdjson\.h|xxhash\.h|xxh3\.h'
search_path() {  # search_path FOLDER HIDDEN
  n=0
  echo | "$cxx" -x c++ -E -v - 2>&1 | sed -n '/^#include </,/^End of search/s/^ //p' | while read -r directory; do
    n=$((n + 1))
    mkdir -p "$1/$n"
    find "$directory/" -mindepth 1 -maxdepth 1 -regextype posix-extended ! -regex ".*/($2)" -exec ln -s -t "$1/$n" {} +
    printf ' -isystem %s' "$1/$n"
  done
}
for cxx in "$@"; do :; done  # the last: without a launcher
without_boost="-nostdinc -nostdinc++$(search_path "$place/no_boost" "$hidden")"
without_boost_but_msgpack="-nostdinc -nostdinc++$(search_path "$place/msgpack" boost) -DMSGPACK_NO_BOOST"
without_json="-nostdinc -nostdinc++$(search_path "$place/no_json" "$hidden|nlohmann")"
for header in boost/version.hpp curl/curl.h lmdb.h msgpack.hpp simdjson.h xxhash.h; do
  ! echo "#include <$header>" | "$cxx" $without_boost -x c++ -fsyntax-only - 2>/dev/null || refuse "$header is not hidden"
done

flags="-Wall -Wextra -Werror -I$prefix/include"
count=0
for header in "$prefix"/include/cairn/*; do
  name=${header##*/}
  echo "#include <cairn/$name>" >"$place/$name.cc"
  searched=$without_boost
  [ "$name" != packed.h ] || searched=$without_boost_but_msgpack
  "$@" -std=c++20 $flags $searched -c "$place/$name.cc" -o "$place/$name.o" || refuse "$name does not compile alone"
  count=$((count + 1))
  case $name in
    cairn.h | upstream.h | status.h | key.h | error.h | time.h | run_status.h)
      "$cxx" -std=c++17 $flags $without_json -fsyntax-only "$place/$name.cc" || refuse "$name needs nlohmann/json"
      ;;
    packed.h)
      "$cxx" -std=c++20 $flags $without_boost -fmax-errors=1 -fsyntax-only "$place/$name.cc" 2>&1 | grep -q "error:.*needs msgpack-c" ||
        refuse "$name does not say that it needs msgpack-c"
      ;;
    *)
      "$cxx" -std=c++20 $flags $without_json -fmax-errors=1 -fsyntax-only "$place/$name.cc" 2>&1 | grep -q "error:.*need nlohmann/json" ||
        refuse "$name does not say that it needs nlohmann/json"
      ;;
  esac
done
# The light header is light.
"$cxx" -std=c++20 "-I$prefix/include" -M "$place/light.hpp.cc" >"$place/read"
grep -q 'nlohmann/json_fwd\.hpp' "$place/read" || refuse "light.hpp does not include json_fwd.hpp"
! grep -q 'nlohmann/json\.hpp' "$place/read" || refuse "light.hpp includes nlohmann/json.hpp"
# A project's own single-file json.hpp does not meet the json_fwd.hpp of another version.
mkdir -p "$place/own/nlohmann"
{
  echo '#ifdef INCLUDE_NLOHMANN_JSON_FWD_HPP_'
  echo '#error "json_fwd.hpp came first"'
  echo '#endif'
  echo '#include_next <nlohmann/json.hpp>'
} >"$place/own/nlohmann/json.hpp"
"$cxx" -std=c++20 "-I$place/own" "-I$prefix/include" -fsyntax-only "$place/cairn.hpp.cc" || refuse "cairn.hpp includes json_fwd.hpp before json.hpp"
[ "$count" -ge 20 ] || refuse "only $count headers"
echo "$count public headers compile alone, without Boost, curl and libpq"
