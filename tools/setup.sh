#!/usr/bin/env bash
# Installs what Cairn's build and tests need, from Debian's packages. Run it again at any time: it installs only what is missing.
# Works as root, or through sudo otherwise. Starts no service.
#   tools/setup.sh         for build and tests
#   tools/setup.sh build   for the library, the command and the demo alone
#   tools/setup.sh bench   for build and tests, and what bench/compare.sh needs
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config
  liblmdb-dev libmsgpack-cxx-dev libxxhash-dev libsimdjson-dev nlohmann-json3-dev libcli11-dev
  libcurl4-openssl-dev libzstd-dev libboost-dev libssl-dev prometheus-cpp-dev
)
tests=(
  ccache git patch clang clang-format clang-tidy binutils
  libgtest-dev libgmock-dev libbenchmark-dev librapidcheck-dev
  openssl valgrind e2fsprogs util-linux mount iproute2 groff-base man-db doxygen dpkg-dev
  curl nodejs npm chromium  # the README and tests/e2e/sdk
  libleveldb-dev librocksdb-dev libsqlite3-dev libhiredis-dev  # engines of bench/compare
)
case "${1:-}" in
  '') packages+=("${tests[@]}") ;;
  build) ;;
  bench) packages+=("${tests[@]}" redis-server gnuplot-nox) ;;
  *) echo "usage: tools/setup.sh [build | bench]" >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
  # A node that is not Debian's brings npm along, and Debian's cannot be beside it.
  [ "$package" != npm ] || ! command -v npm >/dev/null || continue
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

run=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "setup.sh: run as root, or install: ${missing[*]}" >&2; exit 77; }
  run=(sudo)
fi
echo "setup.sh: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${run[@]}" apt-get update -qq
# redis-server would start its service.
policy=/usr/sbin/policy-rc.d
if [ "${1:-}" = bench ] && [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${run[@]}" tee "$policy" >/dev/null
  "${run[@]}" chmod 755 "$policy"
  trap '"${run[@]}" rm -f "$policy"' EXIT
fi
"${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
