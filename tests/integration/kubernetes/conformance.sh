#!/usr/bin/env bash
# The conformance kit on the kubernetes plugin, against a real API server in a network namespace of its own:
#   conformance.sh CONFORMANCE PLUGIN.so conformance.yaml [option...]
set -euo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../../.." && pwd)
if [ -z "${INSIDE_NAMESPACE:-}" ]; then
    if ! "$root/tests/support/kubernetes_server.sh" --where >/dev/null 2>&1; then
        echo "SKIPPED: there is no API server yet: run tests/support/kubernetes_server.sh once"
        exit 0
    fi
    options=(--net)
    [ "$(id -u)" = 0 ] || options+=(--map-root-user)
    export INSIDE_NAMESPACE=yes PATH=$PATH:/usr/sbin:/sbin
    exec unshare "${options[@]}" "$0" "$@"
fi
ip link set lo up
work=$(mktemp -d)
"$root/tests/support/kubernetes_server.sh" --serve "$work" >"$work/serve.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait 2>/dev/null || true; rm -rf "$work"' EXIT
for _ in $(seq 1200); do
    [ ! -e "$work/ready" ] || break
    kill -0 $server 2>/dev/null || { cat "$work/serve.log" >&2; exit 1; }
    sleep 0.1
done
KUBECONFIG=$work/kubeconfig "$@"
