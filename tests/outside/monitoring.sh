#!/bin/sh
# monitoring.sh CAIRN FOLDER PLACE: promtool takes what GET /metrics says, the alerts do what their tests say, and alerts
# and dashboard ask for nothing that is not there. promtool: from PATH; with CAIRN_PROMTOOL=fetch out of Debian's package,
# unpacked into PLACE.
set -eu
. "$(dirname "$0")/expect.sh"
promtool=$(command -v promtool || true)
if [ -z "$promtool" ] && [ -x "$3/usr/bin/promtool" ]; then
  promtool=$3/usr/bin/promtool
elif [ -z "$promtool" ] && [ "${CAIRN_PROMTOOL:-}" = fetch ]; then
  mkdir -p "$3"
  (cd "$3" && apt-get download prometheus >/dev/null && dpkg -x prometheus_*.deb . && rm prometheus_*.deb)
  promtool=$3/usr/bin/promtool
fi
[ -n "$promtool" ] || { echo "no promtool (CAIRN_PROMTOOL=fetch downloads it)"; exit 77; }

"$promtool" test rules "$2/alerts_test.yml" >"$work/said" 2>&1 || refuse "$(cat "$work/said")"
"$1" --store "$work/store" serve --listen 127.0.0.1:0 >"$work/out" 2>"$work/err" &
server=$!
trap 'kill $server 2>/dev/null; wait $server || true; rm -rf "$work"' EXIT
for _ in $(seq 500); do
  address=$(sed -n 's/^listening on //p' "$work/out")
  [ -z "$address" ] || break
  sleep 0.02
done
[ -n "$address" ] || refuse "the server does not listen: $(cat "$work/err")"
url=http://$address
ask() { curl -sS -o "$work/answer" "$@"; }
ask "$url/api/v1/tasks/t/trigger" -d '{}'
run=$(sed -E 's/.*"id":"([^"]*)".*/\1/' "$work/answer")
ask -X PUT "$url/api/v1/runs/$run/metadata" -d '{"operations":[{"type":"increment","key":"n","value":1},{"type":"remove","key":"none","value":1}]}'
ask "$url/nothing"
curl -sS "$url/metrics" >"$work/metrics"
"$promtool" check metrics <"$work/metrics" >"$work/said" 2>&1 || refuse "$(cat "$work/said")"
[ ! -s "$work/said" ] || refuse "$(cat "$work/said")"

# Each expression can be read, and each name is one that the server has.
{
  echo 'groups: [{name: dashboard, rules: ['
  grep -o '"expr": ".*"' "$2/grafana.json" | sed -e 's/^"expr": /{record: "a:b", expr: /' -e 's/$/},/' \
    -e 's/\$__rate_interval/5m/g'
  echo ']}]'
} >"$work/dashboard.yml"
"$promtool" check rules --lint=none "$work/dashboard.yml" >"$work/said" 2>&1 || refuse "$(cat "$work/said")"
for name in $(grep -ohE '\bcairn_[a-z_]+' "$2/grafana.json" "$2/alerts.yml" | sort -u); do
  grep -qE "^$name(\{| )" "$work/metrics" || refuse "there is no $name"
done
