#!/usr/bin/env bash
# Alerting that two teams share, shown against a Prometheus and an Alertmanager of its own in a network namespace:
# plans, applies, corrects a hand edit but not another spelling, refuses a rule whose test fails and the loss of the
# last alert. Needs root, or user namespaces. Exits 1 if anything is not as promised.
#
#   examples/alerts/run.sh             builds what is needed, then shows it
#   BUILD=build/dev examples/alerts/run.sh      with a build that is there already
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../support.sh
. "$here/../support.sh"

if [ -z "${INSIDE_NAMESPACE:-}" ]; then
    build holdfast_plugin_monitoring
    enter_namespaces --net
fi
ip link set lo up

work=$(mktemp -d)
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT

prometheus_says() { curl -sf "http://127.0.0.1:19090/api/v1/$1" | jq -c "$2"; }
alertmanager_says() { curl -sf "http://127.0.0.1:19093/api/v2/$1" | jq -c "$2"; }
# is EXPECTED COMMAND...
is() { local wanted=$1 said; shift; said=$("$@"); [ "$said" = "$wanted" ] || fail "\"$*\" should say $wanted and says $said"; }

mkdir -p "$work/prometheus/rules" "$work/alertmanager"
printf 'rule_files: ["rules/*.yml"]\n' >"$work/prometheus/prometheus.yml"
printf 'route: {receiver: nobody}\nreceivers: [{name: nobody}]\n' >"$work/alertmanager/alertmanager.yml"
prometheus --config.file="$work/prometheus/prometheus.yml" --storage.tsdb.path="$work/prometheus/data" \
    --web.listen-address=127.0.0.1:19090 --web.enable-lifecycle >"$work/prometheus/log" 2>&1 &
servers+=($!)
prometheus-alertmanager --config.file="$work/alertmanager/alertmanager.yml" --storage.path="$work/alertmanager/data" \
    --web.listen-address=127.0.0.1:19093 --cluster.listen-address= >"$work/alertmanager/log" 2>&1 &
servers+=($!)
for port in 19090 19093; do
    for _ in $(seq 250); do curl -sf "http://127.0.0.1:$port/-/ready" >/dev/null && break; sleep 0.04; done
    curl -sf "http://127.0.0.1:$port/-/ready" >/dev/null || { cat "$work"/*/log >&2; fail "nobody answers at port $port"; }
done

export PATH=$BUILD/bin:$PATH HOLDFAST_PLUGIN_PATH=$BUILD/plugins HOLDFAST_CONFIG=$work/operator.yaml
export XDG_STATE_HOME=$work/state GIT_CONFIG_GLOBAL=/dev/null
for person in AUTHOR COMMITTER; do export "GIT_${person}_NAME=Ana Souza" "GIT_${person}_EMAIL=ana@example.org"; done
cat >"$work/operator.yaml" <<'END'
commands:
  check-rules: {run: [/usr/bin/promtool, check, rules], timeout: 60s}
  test-rules: {run: [/usr/bin/promtool, test, rules], timeout: 60s}
  check-prometheus: {run: [/usr/bin/promtool, check, config], timeout: 60s}
  check-alertmanager: {run: [/usr/bin/amtool, check-config]}
END
chmod 600 "$work/operator.yaml"
cp -r "$here/repo" "$work/repo"
cd "$work/repo"
git init -q -b main
git add --all
git commit -q -m "Describe our alerting, each team its part"

chapter "Two teams, one Prometheus and one Alertmanager"
expect 0 holdfast plan
expect 0 holdfast apply --yes
is '["checkout","instances","slo:checkout"]' prometheus_says rules '[.data.groups[].name] | sort'
is '"sum by (shop) (rate(orders_total[5m]))"' prometheus_says rules '.data.groups[] | select(.name == "checkout").rules[0].query'
is 1 alertmanager_says silences length
prometheus_says status/config .data.yaml | grep -q 'job_name: front' || fail "the probe is not among the jobs"
expect 0 holdfast plan --exit-code

chapter "Somebody edits a limit, and spells another expression his own way"
sed -i 's/up == 0/up == 7/' "$work/prometheus/rules/holdfast.yml"
sed -i 's/sum(rate(orders_total\[5m\]))by(shop)/sum by(shop)(rate(orders_total[300s]))/' "$work/prometheus/rules/shop-checkout.yml"
curl -sf -X POST http://127.0.0.1:19090/-/reload
expect 2 holdfast drift --exit-code
expect 0 holdfast apply --yes
is '"up == 0"' prometheus_says rules '.data.groups[] | select(.name == "instances").rules[0].query'
grep -q 'sum by(shop)' "$work/prometheus/rules/shop-checkout.yml" || fail "what was no difference was written"

chapter "A rule is changed, and its test says otherwise"
sed -i 's/for: 5m/for: 1h/' platform/rules.yaml
git commit -q -a -m "Wait an hour before waking anybody"
expect 1 holdfast apply --yes
is 300 prometheus_says rules '.data.groups[] | select(.name == "instances").rules[0].duration'
git revert --no-edit HEAD >/dev/null
expect 0 holdfast plan --exit-code

chapter "Alertmanager would not take it: nothing of it is written"
cat >platform/broken.yaml <<'END'
apiVersion: monitoring.holdfast.dev/v1alpha1
kind: Route
metadata: {name: broken}
spec: {matchers: ['severity="ticket"'], receiver: helpdesk}
END
git add --all
git commit -q -m "Send tickets to a receiver that nobody declares"
expect 1 holdfast apply --yes
git revert --no-edit HEAD >/dev/null

chapter "Somebody throws all alerts away"
git rm -q platform/rules.yaml
sed -i -n '/^kind: Silence/,$p' shop/alerts.yaml
sed -i '1i apiVersion: monitoring.holdfast.dev/v1alpha1' shop/alerts.yaml
git commit -q -a -m "Clean up"
expect 1 holdfast apply --yes
[ "$(prometheus_says rules '[.data.groups[].rules[] | select(.type == "alerting")] | length')" -ge 1 ] ||
    fail "Prometheus has no alert left"

printf '\nAll as promised.\n'
