#!/usr/bin/env bash
# What the kubernetes plugin costs beside kubectl, against a real API server in a network namespace of its own:
#   kubernetes_bench.sh BUILD [COUNT [WATCHED]]    1000 ConfigMaps and 1000 Deployments, 5000 watched ConfigMaps
# The server's own CPU dominates writes: what counts is the client's CPU and the number of requests. Exits 1 if a
# limit is missed. With another number of watched objects than 50,000 their memory is scaled, and says so.
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
build=$(readlink -f "$1")
count=${2:-1000} watched=${3:-5000}
for program in kubectl curl unshare; do
    command -v $program >/dev/null || { echo "kubernetes_bench.sh: $program is not installed" >&2; exit 1; }
done
if [ -z "${INSIDE_NAMESPACE:-}" ]; then
    "$root/tests/support/kubernetes_server.sh" >/dev/null
    options=(--net)
    [ "$(id -u)" = 0 ] || options+=(--map-root-user)
    export INSIDE_NAMESPACE=yes PATH=$PATH:/usr/sbin:/sbin
    exec unshare "${options[@]}" "$0" "$@"
fi
ip link set lo up
work=$(mktemp -d)
server='' daemon=''
trap 'kill $daemon $server 2>/dev/null; wait 2>/dev/null || true; rm -rf "$work"' EXIT
fail() { echo "kubernetes_bench.sh: $1" >&2; exit 1; }

mkdir "$work/server"
"$root/tests/support/kubernetes_server.sh" --serve "$work/server" >"$work/server.log" 2>&1 &
server=$!
until [ -e "$work/server/ready" ]; do
    kill -0 $server 2>/dev/null || fail "no API server: $(tail -n 3 "$work/server.log")"
    sleep 0.1
done
url=$(cat "$work/server/ready")
export KUBECONFIG=$work/server/kubeconfig HOME=$work
export PATH=$build/bin:$PATH HOLDFAST_PLUGIN_PATH=$build/plugins HOLDFAST_CONFIG=$work/operator.yaml
export GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=Bench GIT_AUTHOR_EMAIL=bench@example.org
export GIT_COMMITTER_NAME=Bench GIT_COMMITTER_EMAIL=bench@example.org
ask() { curl --silent --fail --cacert "$work/server/ca.crt" -H "Authorization: Bearer test-admin" "${@:2}" "$url$1"; }

# ---- measuring ----

TIMEFORMAT='%U %S %R'
# cpu_and_wall EXIT COMMAND...: "CPU WALL" in seconds, of the command and all that it waited for.
cpu_and_wall() {
    local wanted=$1 status=0
    shift
    { time { "$@" >"$work/out" 2>&1 || echo $? >"$work/status"; } } 2>"$work/time"
    [ ! -e "$work/status" ] || { status=$(cat "$work/status"); rm "$work/status"; }
    [ "$status" = "$wanted" ] || fail "\"$*\" exited with $status: $(tail -n 5 "$work/out")"
    awk '{ print $1 + $2, $3 }' "$work/time"
}
# CPU of etcd and the API server so far, in seconds.
servers_cpu() {
    local pid sum=0 tick
    tick=$(getconf CLK_TCK)
    for pid in $(pgrep -P "$server"); do
        sum=$((sum + $(awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$pid/stat")))
    done
    awk -v sum="$sum" -v tick="$tick" 'BEGIN { print sum / tick }'
}
# Requests for ConfigMaps that the server has seen, but watches.
requests() {
    ask /metrics | awk '/^apiserver_request_total/ && /resource="configmaps"/ && !/verb="WATCH"/ { sum += $NF } END { print sum + 0 }'
}

missed=0
# row WHAT OURS BESIDE FORMAT LIMIT: the ratio of ours to what is beside it, at most LIMIT.
row() {
    awk -v what="$1" -v ours="$2" -v beside="$3" -v unit="$4" -v limit="$5" 'BEGIN {
        ratio = beside > 0 ? ours / beside : 0
        holds = limit == "" || ratio <= limit
        printf "%-62s %9.2f %s %9.2f %s %7.3f%s%s\n", what, ours, unit, beside, unit, ratio,
            limit == "" ? "" : "  (at most " limit ")", holds ? "" : "  MISSED"
        exit !holds }' || missed=1
}
# at_most WHAT VALUE UNIT LIMIT
at_most() {
    awk -v what="$1" -v value="$2" -v unit="$3" -v limit="$4" 'BEGIN {
        holds = value <= limit
        printf "%-62s %9.1f %s  (at most %s)%s\n", what, value, unit, limit, holds ? "" : "  MISSED"
        exit !holds }' || missed=1
}

# ---- documents ----

config_maps() { # NAMESPACE COUNT
    awk -v space="$1" -v count="$2" 'BEGIN { for (i = 0; i < count; ++i)
        printf "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m%d, namespace: %s}\ndata: {key: \"value %d\"}\n", i, space, i }'
}
deployments() {
    awk -v space="$1" -v count="$2" 'BEGIN { for (i = 0; i < count; ++i)
        printf "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d%d, namespace: %s, labels: {app: d%d}}\nspec:\n  replicas: 1\n  selector: {matchLabels: {app: d%d}}\n  template:\n    metadata: {labels: {app: d%d}}\n    spec:\n      containers:\n      - name: web\n        image: example.org/web:%d\n        ports: [{containerPort: 80, protocol: TCP}]\n        env: [{name: A, value: \"1\"}]\n        resources: {limits: {memory: 128Mi, cpu: 100m}}\n", i, space, i, i, i, i }'
}
repository() { # NAME: commits what is in $work/NAME/app
    cat >"$work/$1/holdfast.yaml" <<END
apiVersion: holdfast.dev/v1alpha1
kind: Provider
metadata: {name: cluster}
spec: {plugin: kubernetes, config: {kubeconfig: $KUBECONFIG}}
---
apiVersion: holdfast.dev/v1alpha1
kind: Stack
metadata: {name: app}
spec: {path: app, interval: 1h, providers: {"*": cluster}, limits: {maxLeaves: 1000000}}
END
    git -C "$work/$1" init --quiet --initial-branch=main
    git -C "$work/$1" add --all
    git -C "$work/$1" commit --quiet --message=bench
}
for space in theirs ours watched; do kubectl create namespace $space >/dev/null; done
mkdir -p "$work/objects/app" "$work/watched/app"
{ config_maps theirs "$count"; deployments theirs "$count"; } >"$work/theirs.yaml"
{ config_maps ours "$count"; deployments ours "$count"; } >"$work/objects/app/all.yaml"
config_maps watched 2 >"$work/watched/app/all.yaml"
repository objects
repository watched
touch "$work/operator.yaml"

# ---- apply, and a plan without changes ----

printf '%d ConfigMaps and %d Deployments %26s %11s %7s\n' "$count" "$count" ours kubectl ratio
read -r kubectl_cpu kubectl_wall <<<"$(cpu_and_wall 0 kubectl apply --server-side -f "$work/theirs.yaml")"
before=$(servers_cpu)
holdfast=(holdfast -C "$work/objects" --store "$work/store")
read -r our_cpu our_wall <<<"$(cpu_and_wall 0 "${holdfast[@]}" apply --yes)"
after=$(servers_cpu)
row "server-side apply of new objects, the client's CPU" "$our_cpu" "$kubectl_cpu" s 0.2
row "  beside kubectl, wall" "$our_wall" "$kubectl_wall" s ""
row "  wall, beside the servers' CPU over the cores" "$our_wall" \
    "$(awk -v a="$before" -v b="$after" -v n="$(nproc)" 'BEGIN { print (b - a) / n }')" s 1.1
read -r kubectl_cpu kubectl_wall <<<"$(cpu_and_wall 0 kubectl diff --server-side -f "$work/theirs.yaml")"
read -r our_cpu our_wall <<<"$(cpu_and_wall 0 "${holdfast[@]}" plan --exit-code)"
row "a plan without changes beside kubectl diff, wall" "$our_wall" "$kubectl_wall" s 0.125
row "  the client's CPU" "$our_cpu" "$kubectl_cpu" s ""

# ---- watched objects ----

printf '\n%d watched ConfigMaps\n' "$watched"
cat >"$work/operator.yaml" <<END
store: $work/daemon-store
daemon:
  repository: {path: $work/watched, interval: 100ms}
  interval: 1h
END
chmod 600 "$work/operator.yaml"
holdfastd --config "$work/operator.yaml" >"$work/daemon.log" 2>&1 &
daemon=$!
held() { ask "/api/v1/namespaces/watched/configmaps?limit=1" | sed -n 's/.*"remainingItemCount": *\([0-9]*\).*/\1/p' | grep . || echo 0; }
is_at_rest() { # COUNT: it has made so many, looked at them, and watches
    local calm=-1 now
    until [ "$(held)" -ge $(($1 - 1)) ]; do
        kill -0 $daemon || fail "the daemon has ended: $(tail -n 5 "$work/daemon.log")"
        sleep 0.5
    done
    until now=$(requests) && [ "$now" = "$calm" ]; do calm=$now; sleep 3; done
}
resident() { # of the daemon and its workers, in KiB
    local process
    for process in $daemon $(pgrep -P $daemon); do cat "/proc/$process/status"; done |
        awk '/^VmRSS/ { sum += $2 } END { print sum }'
}
is_at_rest 2
empty=$(resident)
config_maps watched "$watched" | (cd "$work/watched/app" && split --lines=500 --additional-suffix=.yaml - part-)
rm "$work/watched/app/all.yaml"
git -C "$work/watched" add --all
git -C "$work/watched" commit --quiet --message="all of them"
is_at_rest "$watched"
at_most "memory of 50,000, scaled from $watched (daemon and worker)" \
    "$(awk -v all="$(resident)" -v empty="$empty" -v n="$watched" 'BEGIN { print (empty + (all - empty) * 50000 / n) / 1024 }')" MiB 250

before=$(requests)
git -C "$work/watched" commit --quiet --allow-empty --message="nothing" # a pass, since there is a new commit
sleep 3
at_most "requests of a pass without changes" $(($(requests) - before)) "  " 0

path=/api/v1/namespaces/watched/configmaps
times=()
for i in $(seq 21); do
    ask "$path/m$i?fieldManager=kubectl-edit" -X PATCH -H 'Content-Type: application/merge-patch+json' \
        -d '{"data":{"key":"by hand"}}' >/dev/null
    start=$(date +%s%N)
    for _ in $(seq 500); do
        [[ $(ask "$path/m$i") != *'"by hand"'* ]] && break
    done
    times+=($((($(date +%s%N) - start) / 1000)))
done
at_most "from a foreign edit to corrected, median of 21 (seen by curl)" \
    "$(printf '%s\n' "${times[@]}" | sort -n | sed -n 11p | awk '{ print $1 / 1000 }')" ms 150
exit $missed
