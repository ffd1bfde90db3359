#!/usr/bin/env bash
# Installs what Cairn's build and tests need, from Debian's packages. Run it again at any time: it installs only what is missing.
# Works as root, or through sudo otherwise. Starts no service.
set -euo pipefail

packages=(
  g++ cmake ninja-build pkg-config ccache git
  liblmdb-dev libmsgpack-cxx-dev libxxhash-dev libsimdjson-dev nlohmann-json3-dev libcli11-dev
  libgtest-dev libgmock-dev libbenchmark-dev librapidcheck-dev
  clang clang-format clang-tidy valgrind e2fsprogs util-linux mount groff-base man-db
  doxygen dpkg-dev binutils patch
)

missing=()
for package in "${packages[@]}"; do
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
# policy-rc.d would be the way to forbid services; none of these packages has one.
"${run[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
