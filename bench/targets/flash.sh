#!/usr/bin/env bash
# Measures what Cairn writes to a device in real time: a loop device with an ext4 of its own, 10 updates a second for
# 120 s, close and open included, then a minute in which nothing changes. Takes 4 minutes. Needs root.
#   bench/targets/flash.sh [PROGRAM] [ARGUMENT...]   PROGRAM: default build/release/cairn_targets
set -euo pipefail
program=${1:-build/release/cairn_targets}
[ "$#" -eq 0 ] || shift
if [ "$(id -u)" -ne 0 ]; then
  echo "flash.sh: a loop device needs root" >&2
  exit 77
fi
work=$(mktemp -d)
finish() {
  umount "$work/mnt" 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
truncate -s 64M "$work/image"
mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$work/image"  # else the kernel goes on writing after the mount
mkdir "$work/mnt"
mount -o loop "$work/image" "$work/mnt"
"$program" --only flash --dir "$work/mnt" "$@"
