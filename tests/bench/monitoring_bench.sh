#!/usr/bin/env bash
# 5,000 rule groups written, checked, reloaded and verified by one `holdfast apply`, beside what it cannot do
# without: `promtool check rules` of the same file, Prometheus' own reload of it and one GET of its rules. The best
# of three rounds each; exits 1 above 1.3 times the sum. Needs root, or user namespaces.
#
#   tests/bench/monitoring_bench.sh BUILD [GROUPS]
set -euo pipefail
limit=1.3 rounds=3
build=$(readlink -f "$1") groups=${2:-5000}
export PATH=$PATH:/usr/sbin:/sbin
if [ -z "${INSIDE_NAMESPACE:-}" ]; then
    options=(--net)
    [ "$(id -u)" = 0 ] || options+=(--map-root-user)
    export INSIDE_NAMESPACE=yes
    exec unshare "${options[@]}" "$(readlink -f "${BASH_SOURCE[0]}")" "$build" "$groups"
fi
ip link set lo up

work=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
url=http://127.0.0.1:19090 rules=$work/rules/holdfast.yml
mkdir -p "$work/rules" "$work/repo/stack"
printf 'global: {evaluation_interval: 1h}\nrule_files: ["%s/rules/*.yml"]\n' "$work" >"$work/prometheus.yml"
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/data" --web.enable-lifecycle \
    --web.listen-address=127.0.0.1:19090 >"$work/log" 2>&1 &
server=$!
for _ in $(seq 250); do curl -sf $url/-/ready >/dev/null && break; sleep 0.04; done

cat >"$work/repo/holdfast.yaml" <<END
apiVersion: holdfast.dev/v1alpha1
kind: Provider
metadata: {name: mon}
spec:
  plugin: monitoring
  config: {prometheus: {url: "$url", rules: $work/rules, checkRules: check-rules, allowNoAlerts: true}}
---
apiVersion: holdfast.dev/v1alpha1
kind: Stack
metadata: {name: watch}
spec: {path: stack, providers: {monitoring.holdfast.dev: mon}}
END
for i in $(seq "$groups"); do
    printf '%s\n' "apiVersion: monitoring.holdfast.dev/v1alpha1" "kind: RuleGroup" "metadata: {name: g$i}" "spec:" \
        "  rules:" \
        "  - {alert: Down$i, expr: 'up{job=\"j$i\"} == 0', for: 5m, labels: {severity: page}}" \
        "  - {record: 'job:up$i:sum', expr: 'sum by (job) (rate(x${i}[5m]))'}" "---"
done >"$work/repo/stack/groups.yaml"
printf 'commands:\n  check-rules: {run: [/usr/bin/promtool, check, rules], timeout: 60s}\n' >"$work/operator.yaml"
chmod 600 "$work/operator.yaml"
export PATH=$build/bin:$PATH HOLDFAST_PLUGIN_PATH=$build/plugins HOLDFAST_CONFIG=$work/operator.yaml
export XDG_STATE_HOME=$work/state GIT_CONFIG_GLOBAL=/dev/null
cd "$work/repo"
git init -q
git add --all
git -c user.name=bench -c user.email=bench@localhost commit -q -m "Groups"

# best NAME COMMAND...: runs it, and keeps the shortest time in milliseconds.
declare -A shortest
best() {
    local name=$1 start took
    shift
    start=$(date +%s%N)
    "$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }
    took=$((($(date +%s%N) - start) / 1000000))
    [ "$took" -ge "${shortest[$name]:-$took}" ] || shortest[$name]=$took
    : "${shortest[$name]:=$took}"
}
reload() { curl -sf -X POST $url/-/reload; }

for _ in $(seq $rounds); do
    rm -rf "$work/state" "$rules"
    reload
    best apply holdfast apply --yes
    best check promtool check rules "$rules"
    mv "$rules" "$work/aside"
    reload
    mv "$work/aside" "$rules"
    best reload reload
    best get curl -sf $url/api/v1/rules
done
sum=$((shortest[check] + shortest[reload] + shortest[get]))
printf '%s rule groups, first apply: %s ms; promtool %s + reload %s + GET %s = %s ms; %s times (at most %s)\n' "$groups" \
    "${shortest[apply]}" "${shortest[check]}" "${shortest[reload]}" "${shortest[get]}" "$sum" \
    "$(awk "BEGIN {printf \"%.2f\", ${shortest[apply]} / $sum}")" "$limit"
awk "BEGIN {exit !(${shortest[apply]} <= $limit * $sum)}"
