#!/bin/bash
# guide.sh SOURCE BUILD SERVER: the blocks of api/server/GUIDE.md, in one shell in a fresh directory, in a network of
# their own. Packages are in BUILD. SERVER is what `cairn serve` is here. What is not there of nginx, Caddy and Chromium
# is left out, with a line that says so.
set -eu
[ -z "${CAIRN_TEST_SCALE:-}" ] || export CAIRN_SDK_SHORT=1
source=$(realpath "$1") server=${CAIRN_SDK_SERVER:-$3}
has() { command -v "$1" >/dev/null; }
proxies=$(realpath -m "$2/proxies")
export PATH=$PATH:/usr/sbin:$proxies/usr/sbin:$proxies/usr/bin
if [ -z "${GUIDE_INSIDE:-}" ]; then
  "$source/tests/e2e/sdk/install.sh" "$source" "$2"  # there is no other network inside
  if [ -z "${CAIRN_SDK_SHORT:-}" ] && ! { has nginx && has caddy; }; then
    # Debian's packages, unpacked and not installed: else both would be services, now and after each boot.
    rm -rf "$proxies" && mkdir "$proxies"
    (cd "$proxies" && timeout 120 apt-get download nginx caddy && for p in *.deb; do dpkg-deb -x "$p" .; done) \
      >"$2/proxies.log" 2>&1 || echo "guide: no packages of nginx and Caddy: $(tail -n 1 "$2/proxies.log")"
  fi
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  own=(unshare --net --mount --pid --fork --kill-child)
  [ "$(id -u)" -eq 0 ] || own+=(--user --map-root-user)
  "${own[@]}" true 2>/dev/null || { echo "sdk: skipped: no namespaces here"; exit 77; }
  GUIDE_INSIDE=$work "${own[@]}" "$BASH" "$0" "$@"
  exit
fi
work=$GUIDE_INSIDE build=$(realpath "$2")
ip link set lo up
mkdir "$work/bin" "$work/fresh"
cd "$work/fresh"
ln -s "$build/node_modules" node_modules
# What is not as on the page: `cairn serve` may be another program, and packages are there already, in these versions.
cat >"$work/bin/cairn" <<SHIM
#!/bin/sh
[ "\$1" = serve ] && shift && exec $server "\$@"
SHIM
cat >"$work/bin/npm" <<'SHIM'
#!/bin/sh
shift
for package; do
  grep -q "\"version\": \"${package##*@}\"" "node_modules/${package%@*}/package.json" || { echo "not installed: $package"; exit 1; }
done
SHIM
if has nginx && has caddy && mount -t tmpfs none /var/lib && mkdir /var/lib/nginx; then  # where its packages have files
  both=2
  # Whoever nginx works as by itself may be nobody in a namespace of users.
  printf '#!/bin/sh\nexec %s -g "user root;" "$@"\n' "$(command -v nginx)" >"$work/bin/nginx"
fi
chmod +x "$work"/bin/*
export PATH=$work/bin:$PATH XDG_DATA_HOME=$work XDG_CONFIG_HOME=$work HOME=$work
unset TRIGGER_API_URL TRIGGER_SECRET_KEY

awk '/^```/ { inside = !inside; if (inside) print "block=" ++n; next } inside' "$source/api/server/GUIDE.md" |
  sed -e "s#cp api/server#cp $source/api/server#" >"$work/page"
grep -q '^block=9$' "$work/page"  # a page without blocks is no guide
if [ -z "${both:-}" ] || [ -n "${CAIRN_SDK_SHORT:-}" ]; then
  echo "guide: without nginx and Caddy"
  both=
  nginx() { :; }
  sed -i -e '/^for proxy/,/^wait/d; /^caddy run/d; s/^caddy=.*/caddy=/; /localhost:844/d' "$work/page"
fi
# Somebody looks at the page.
cat >"$work/fresh/look.mjs" <<'LOOK'
import { chromium } from "playwright-core";
const browser = await chromium.launch({ executablePath: process.argv[2], args: ["--no-sandbox"] });
const page = await browser.newPage();
await page.goto("http://127.0.0.1:3000/page.html");
await page.getByText("import-csv: 1").waitFor({ timeout: 20_000 });
await browser.close();
console.log("the page shows it");
LOOK
browser=${CAIRN_BROWSER:-/usr/bin/chromium}
if [ -x "$browser" ]; then
  sed -i "s#^kill \$pages#node look.mjs $browser; &#" "$work/page"
else
  echo "guide: without Chromium"
fi
said=${CAIRN_GUIDE_SAID:-$work/said}  # a file to look into while it runs
set +e
(set -eEu -o pipefail; trap 'echo "block ${block:-}: ended with $?: $BASH_COMMAND" >&2' ERR; . "$work/page"; echo "all blocks") >"$said" 2>&1
[ "$(tail -n 1 "$said")" = "all blocks" ] || { cat "$said" >&2; exit 1; }
held=$(grep -oE ' 200 HTTP/(1\.1|2) after (1[6-9]|2[0-4])\.' "$said" | wc -l)
[ "$held" = "${both:-0}" ] || { echo "guide: nginx and Caddy held $held requests" >&2; cat "$said" >&2; exit 1; }
echo "guide: $(grep -c ^block= "$work/page") blocks"
