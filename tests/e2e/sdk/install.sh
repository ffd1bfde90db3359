#!/bin/bash
# install.sh SOURCE BUILD: puts what the tests import into BUILD, once for each lock file. Exit code 77: there is no node
# or npm here.
set -eu
here=$(realpath "$1")/tests/e2e/sdk build=$2
skip() { echo "sdk: skipped: $1"; exit 77; }
command -v node >/dev/null || skip "there is no node (Debian: apt-get install nodejs npm)"
command -v npm >/dev/null || skip "there is no npm (Debian: apt-get install nodejs npm)"
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 18 || (a === 18 && b >= 19) ? 0 : 1)' ||
  skip "node $(node --version) is older than 18.19"
mkdir -p "$build"
cd "$build"
exec 9>install.lock
flock 9
cmp -s "$here/package-lock.json" installed.json && exit 0
rm -f installed.json
for file in package.json package-lock.json .npmrc; do cp "$here/$file" .; done
npm ci --ignore-scripts --prefer-offline --no-audit --no-fund >npm.log 2>&1 ||
  { cat npm.log >&2; echo "sdk: npm ci failed: see above" >&2; exit 1; }
cp "$here/package-lock.json" installed.json
