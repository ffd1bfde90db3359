#!/bin/sh
# debian_package.sh BUILD: cpack makes one package. It names what it depends on, installs into an empty root, works
# there, and leaves nothing when it is removed. Needs no root.
set -eu
. "$(dirname "$0")/expect.sh"
cpack --config "$1/CPackConfig.cmake" -G DEB -B "$work/made" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
package=$(ls "$work"/made/cairn_*_*.deb)
depends=$(dpkg-deb -f "$package" Depends)
for library in libc6 liblmdb0 libsimdjson libstdc++6; do
  case $depends in *"$library"*) ;; *) refuse "it does not depend on $library: $depends" ;; esac
done

root=$work/root
mkdir "$work/bin"
printf '#!/bin/sh\necho called >>"%s/ldconfig"\n' "$work" >"$work/bin/ldconfig"  # the real one would work on this machine
chmod +x "$work/bin/ldconfig"
PATH=$work/bin:$PATH
mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
: >"$root/var/lib/dpkg/status"
: >"$root/var/lib/dpkg/available"
into_root() {
  dpkg --root="$root" --force-not-root --force-depends --force-script-chrootless --log="$work/dpkg.log" "$@" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
}
into_root -i "$package"
for file in bin/cairn include/cairn/cairn.h lib/libcairn.so.0 lib/libcairn.a lib/pkgconfig/cairn.pc share/doc/cairn/copyright \
  share/man/man1/cairn.1 share/bash-completion/completions/cairn lib/systemd/system/cairn.service \
  lib/systemd/system/cairn.socket; do
  [ -e "$root/usr/$file" ] || refuse "it has no /usr/$file"
done
(cd "$work" && "$root/usr/bin/cairn" --version) >/dev/null
into_root -P cairn
left=$(find "$root" -path "$root/var" -prune -o ! -type d -print)
[ "$(wc -l <"$work/ldconfig")" -eq 2 ] || refuse "ldconfig did not run once at the installation and once at the removal"
[ -z "$left" ] && [ ! -e "$root/usr" ] || refuse "removed, it leaves $left $(find "$root/usr" 2>/dev/null)"
