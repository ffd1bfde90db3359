#!/bin/bash
# guide.sh SOURCE BUILD SERVER: the blocks of api/server/GUIDE.md, in one shell in a fresh directory, in a network of
# their own. Packages are in BUILD. SERVER is what `cairn serve` is here. nginx, Caddy and Chromium
# are left out where they are not installed, with a line that says so.
set -eu
[ -z "${CAIRN_TEST_SCALE:-}" ] || export CAIRN_SDK_SHORT=1
source=$(realpath "$1") server=${CAIRN_SDK_SERVER:-$3}
if [ -z "${GUIDE_INSIDE:-}" ]; then
  "$source/tests/e2e/sdk/install.sh" "$source" "$2"  # there is no other network inside
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
chmod +x "$work"/bin/*
export PATH=$work/bin:$PATH XDG_DATA_HOME=$work XDG_CONFIG_HOME=$work HOME=$work
unset TRIGGER_API_URL TRIGGER_SECRET_KEY

has() { command -v "$1" >/dev/null; }
awk '/^```/ { inside = !inside; if (inside) print "block=" ++n; next } inside' "$source/api/server/GUIDE.md" |
  sed -e "s#cp api/server#cp $source/api/server#" >"$work/page"
grep -q '^block=9$' "$work/page"  # a page without blocks is no guide
if ! has nginx || ! has caddy || [ -n "${CAIRN_SDK_SHORT:-}" ]; then
  echo "guide: without nginx and Caddy"
  nginx() { :; }
  sed -i -e '/^caddy run/d; s/^caddy=.*/caddy=/; /localhost:844/d' -e '/^for proxy/,/^done/d' "$work/page"
  sed -i '/^  call -k/d; /^  at=/d; /^done$/d' "$work/page"
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
echo "guide: $(grep -c ^block= "$work/page") blocks"
