#!/bin/bash
# run.sh SOURCE BUILD SERVER: the tests of the npm client. SERVER is the command to start a server; CAIRN_SDK_SERVER is
# taken before it. Exit code 77: something is missing here, and it says what.
#   CAIRN_SDK_SHORT=1        without the tests that take long
#   CAIRN_SDK_TESTS=calls    only these files: calls.test.mjs
#   CAIRN_NEED_BROWSER=1     a machine without Chromium fails
#   CAIRN_BROWSER=PATH       the program to take for Chromium
set -eu
[ -z "${CAIRN_TEST_SCALE:-}" ] || export CAIRN_SDK_SHORT=1
source=$(realpath "$1") build=$2
export CAIRN_SDK_SERVER=${CAIRN_SDK_SERVER:-$3}
here=$source/tests/e2e/sdk
"$here/install.sh" "$source" "$build"
build=$(realpath "$build")

# Node finds packages beside the file that asks for them, so the files go where the packages are.
rm -rf "$build"/*.mjs "$build/support" "$build/tasks" "$build/browser" "$build/metadata_page" "$build/made"
mkdir "$build/made"
cp -r "$here"/*.mjs "$here/support" "$here/tasks" "$here/browser" "$here/metadata_page" "$build/"
cp "$source/api/server/examples/worker.mjs" "$build/"
cp "$source/api/server/GUIDE.md" "$source/README.md" "$build/"

cd "$build"
export CAIRN_SDK_COUNTS=$build/counts
: >"$CAIRN_SDK_COUNTS"
tests=()
for name in ${CAIRN_SDK_TESTS:-$(ls -- *.test.mjs)}; do tests+=("${name%.test.mjs}.test.mjs"); done
together=()  # most of them wait most of the time
! node --help | grep -q test-concurrency || together=(--test-concurrency=2)
begin=$SECONDS
code=0
node --test "${together[@]}" --test-reporter=spec "${tests[@]}" || code=$?
echo "sdk: $(awk '{n += $1} END {print n + 0}' "$CAIRN_SDK_COUNTS") checks of the npm client in $((SECONDS - begin)) s"
exit $code
