#!/bin/bash
# guide.sh PREFIX SOURCE PAGE BUILD C-COMPILER C++-COMPILER CMAKE-ARGUMENTS...: everything on the page of SOURCE that can be
# pasted, in the order in which it stands there, in one shell in a fresh directory: commands run, programs are built and
# run. Only paths are others, and tools/demo.sh and tools/test.sh are looked for, not run: one is a test of its own, the
# other runs this one. A line whose comment says "ends with N" must end with N, every other one with 0.
# In a network of its own, so that the ports are free and relay.example is this machine.
set -eu
if [ -z "${GUIDE_INSIDE:-}" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  own=(unshare --net --mount --pid --fork --kill-child)
  [ "$(id -u)" -eq 0 ] || own+=(--user --map-root-user)
  "${own[@]}" true 2>/dev/null || { echo "no namespaces here"; exit 77; }
  GUIDE_INSIDE=$work "${own[@]}" "$BASH" "$0" "$@"
  exit
fi
work=$GUIDE_INSIDE
prefix=$(realpath "$1") source=$(realpath "$2") build=$(realpath "$4") c=$5 cxx=$6
page=$source/$3
here=$(dirname "$(realpath "$0")")
cmake_arguments=("${@:7}")
ip link set lo up
{ cat /etc/hosts; echo "127.0.0.1 relay.example"; } >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts
export PATH=$prefix/bin:$PATH
unset CAIRN_STORE CAIRN_TOKEN PKG_CONFIG_PATH LD_LIBRARY_PATH TASK_RUN_METADATA_MAXIMUM_SIZE

# Every block as a file: 01.sh, 02.cpp, ...
mkdir "$work/blocks" "$work/stick" "$work/fresh"
awk -v to="$work/blocks" '
  /^```/ { if (file != "") { close(file); file = ""; next }
           language = substr($0, 4); file = sprintf("%s/%02d.%s", to, ++n, language == "" ? "sh" : language); printf "" > file; next }
  file != "" { print > file }' "$page"
ls "$work"/blocks/01.* >/dev/null  # a page without a block is no guide
# What the blocks link where the page has no program of its own.
cp "$source/api/examples/quickstart.cc" "$work/fresh/app.cc"
cp "$source/api/examples/quickstart.c" "$work/fresh/app.c"

cat >"$work/shell" <<'SHELL'
refuse() { echo "block $block: $1" >&2; exit 1; }
logged() { "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; refuse "$*"; }; }
# What is not as on the page, because it would change this machine.
mkdir tools
for script in demo.sh test.sh; do
  printf '#!/bin/sh\nexec test -x "%s/%s"\n' "$source/tools" $script >tools/$script
  chmod +x tools/$script
done
cpack() { logged command cpack --config "$build/CPackConfig.cmake" "$@" -B "$work/made"; }
dpkg() { dpkg-deb --info "$work/made/${2##*/}" >/dev/null; }
cc() { command $c "$@"; }
SHELL

# A C++ block that is a program is built and run where it stands. The others are functions of one source, `sender` of the
# CMake block; a page without such a block gets one after its last.
echo '#include "fragment.h"' >"$work/sender.cc"
for file in "$work"/blocks/*.cpp; do
  [ -e "$file" ] || continue
  grep -q 'int main' "$file" && continue
  { grep '^#include' "$file" || true
    echo "void block_$(basename "$file" .cpp)([[maybe_unused]] cairn::Store& store, [[maybe_unused]] cairn::Run& run, [[maybe_unused]] Image image) { {"
    grep -v '^#include' "$file"
    echo '} }'; } >>"$work/sender.cc"
done
echo 'int main() {}' >>"$work/sender.cc"
if grep -q block_ "$work/sender.cc" && ! ls "$work"/blocks/*.cmake >/dev/null 2>&1; then
  printf '%s\n' 'find_package(cairn REQUIRED COMPONENTS upstream)' 'target_link_libraries(app PRIVATE cairn::cairn)' \
    'target_link_libraries(sender PRIVATE cairn::upstream cairn::cairn)' >"$work/blocks/99.cmake"
fi
cpp_block() {
  if grep -q 'int main' "$work/blocks/$1"; then
    printf 'cp %q app.cc; logged %s -std=c++20 app.cc -o cpp_app -I"$prefix/include" -L"$prefix/lib" -lcairn -Wl,-rpath,"$prefix/lib"; ./cpp_app\n' \
      "$work/blocks/$1" "$cxx"
  fi
}
sh_block() {
  sed -E -e '/^cc app\.c/s#$#\n./app#' -e "s#build/release#$build#g; s#/opt/cairn#$prefix#g; s#/media/stick#$work/stick#g" \
    -e "s#cmake --install ([^ ]*) --prefix [^ ]*#cmake --install \1 --prefix $work/installed >/dev/null#" \
    -e 's/^(.*[^ ]) +#.*ends with ([0-9]+).*$/code=0; \1 || code=$?; [ $code = \2 ] || refuse "ended with $code, not \2: line $LINENO"/' "$work/blocks/$1"
}
cmake_block() {
  mkdir -p "$work/project"
  { printf 'cmake_minimum_required(VERSION 3.25)\nproject(guide LANGUAGES C CXX)\nset(CMAKE_CXX_STANDARD 20)\n'
    printf 'add_executable(app %q)\nadd_executable(sender %q)\ntarget_include_directories(sender PRIVATE %q)\n' \
      "$work/fresh/app.cc" "$work/sender.cc" "$here/guide"
    cat "$work/blocks/$1"; } >"$work/project/CMakeLists.txt"
  printf 'logged cmake -S "$work/project" -B "$work/project/build" -G Ninja "-DCMAKE_PREFIX_PATH=$prefix" "${cmake_arguments[@]}"\n'
  printf 'logged cmake --build "$work/project/build"; "$work/project/build/app"; "$work/project/build/sender"\n'
}
for file in "$work"/blocks/*; do
  name=$(basename "$file")
  echo "block=$name; echo \"== $name\""
  case $name in
    *.sh) sh_block "$name" ;;
    *.cpp) cpp_block "$name" ;;
    *.c) printf 'cp %q app.c; cc -std=c11 -pedantic -Wall -Wextra -Werror app.c -o c_app -I"$prefix/include" -L"$prefix/lib" -lcairn -Wl,-rpath,"$prefix/lib"; ./c_app\n' "$file" ;;
    *.cmake) cmake_block "$name" ;;
    *.js | *.jsx) echo ': they need packages of npm: tests/e2e/sdk runs them' ;;
    *) echo "nothing is known about $name" >&2; exit 1 ;;
  esac
done >>"$work/shell"
echo 'echo "all blocks"' >>"$work/shell"
cd "$work/fresh"
set +e
(set -eEu; trap 'echo "block ${block:-}: ended with $?: $BASH_COMMAND" >&2' ERR; . "$work/shell") >"$work/said" 2>&1
code=$?
tail -n 1 "$work/said" | grep -qx 'all blocks' || code=1
[ $code -eq 0 ] || { cat "$work/said" >&2; exit 1; }
echo "$(ls "$work/blocks" | wc -l) blocks"
