#!/bin/sh
# systemd_units.sh FOLDER: systemd reads the units without a word, and the service has no rights to speak of.
set -eu
. "$(dirname "$0")/expect.sh"
# Without the page, which is not installed here, and with a program that is.
sed -e '/^Documentation=/d' -e 's|^ExecStart=cairn |ExecStart=/bin/true |' "$1/cairn.service" >"$work/cairn.service"
cp "$1/cairn.socket" "$work/"
systemd-analyze verify "$work/cairn.service" "$work/cairn.socket" >"$work/said" 2>&1 || refuse "$(cat "$work/said")"
[ ! -s "$work/said" ] || refuse "$(cat "$work/said")"
# Of 100; a unit without hardening has 96.
systemd-analyze security --offline=true --threshold=20 "$work/cairn.service" >"$work/said" 2>&1 || refuse "$(tail -n 3 "$work/said")"
