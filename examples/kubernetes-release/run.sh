#!/usr/bin/env bash
# Three colleagues change one app on the same morning: Ana releases a new version, Ben raises its memory limit, Cleo
# turns a cache off. Three commits become three states of the cluster, each of which can be told whose it is; one is
# taken back, and what somebody did by hand is undone. Exits 1 if anything is not as promised.
#
#   examples/kubernetes-release/run.sh                   against an API server of its own, in a network namespace:
#                                                        builds what is needed; the server takes ten minutes, once
#   KUBECONFIG=... examples/kubernetes-release/run.sh    against your cluster, in the namespace holdfast-example-shop,
#                                                        which it makes and removes
#   BUILD=build/dev examples/kubernetes-release/run.sh   with a build that is there already
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../support.sh
. "$here/../support.sh"
space=holdfast-example-shop

build holdfast_plugin_kubernetes
if [ -z "${KUBECONFIG:-}" ] && [ -z "${INSIDE_NAMESPACE:-}" ]; then
    # As a test it says that there is no server, rather than building one for ten minutes.
    if [ -n "${AS_TEST:-}" ] && ! "$root/tests/support/kubernetes_server.sh" --where >/dev/null 2>&1; then
        echo "SKIPPED: there is no API server yet: run tests/support/kubernetes_server.sh once"
        exit 0
    fi
    "$root/tests/support/kubernetes_server.sh" >/dev/null
    enter_namespaces --net
fi

work=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null; fi; wait 2>/dev/null || true; rm -rf "$work"' EXIT

as() { # NAME: whose commits these are
    export GIT_AUTHOR_NAME=$1 GIT_COMMITTER_NAME=$1
    export GIT_AUTHOR_EMAIL=${1%% *}@example.org GIT_COMMITTER_EMAIL=${1%% *}@example.org
}
# holds WORDS: the plan is empty, and `holdfast why` names the words.
holds() {
    expect 0 holdfast plan --exit-code
    holdfast why "apps/Deployment/$space/shop" >"$work/why"
    grep -qF "$1" "$work/why" || { cat "$work/why" >&2; fail "holdfast why does not name \"$1\""; }
}

if [ -n "${INSIDE_NAMESPACE:-}" ]; then
    ip link set lo up
    mkdir "$work/server"
    "$root/tests/support/kubernetes_server.sh" --serve "$work/server" >"$work/server.log" 2>&1 &
    server=$!
    for _ in $(seq 1200); do
        [ ! -e "$work/server/ready" ] || break
        kill -0 $server 2>/dev/null || { cat "$work/server.log" >&2; fail "no API server"; }
        sleep 0.1
    done
    export KUBECONFIG=$work/server/kubeconfig
fi

export PATH=$BUILD/bin:$PATH HOLDFAST_PLUGIN_PATH=$BUILD/plugins HOLDFAST_CONFIG=$work/operator.yaml
export XDG_STATE_HOME=$work/state GIT_CONFIG_GLOBAL=/dev/null
touch "$work/operator.yaml"
cp -r "$here/repo" "$work/repo"
cd "$work/repo"
as "Ana Souza"
git init -q -b main
git add --all
git commit -q -m "Run the shop"

chapter "The shop as it is"
expect 0 holdfast apply --yes
holds "Run the shop"

chapter "Ana releases what was built from commit 8d1e377 of the shop"
sed -i 's/1f0c9a2/8d1e377/' shop/kustomization.yaml
git commit -qam "Release 8d1e377"
expect 2 holdfast plan --exit-code
expect 0 holdfast apply --yes
holds "Release 8d1e377"

chapter "Ben raises the memory limit"
as "Ben Okoro"
sed -i 's/256Mi/512Mi/' shop/deployment.yaml
git commit -qam "Give the shop 512 MiB: it was killed twice last night"
expect 0 holdfast apply --yes
holds "Ben Okoro"

chapter "Cleo turns the cache off"
as "Cleo Lind"
sed -i 's/name: CACHE, value: "on"/name: CACHE, value: "off"/' shop/deployment.yaml
git commit -qam "Turn the cache off, to see whether prices are stale because of it"
expect 0 holdfast apply --yes
holds "Turn the cache off"

chapter "It was not the cache: Cleo takes her commit back, and Ben's and Ana's stay"
git revert --no-edit HEAD >/dev/null
expect 0 holdfast apply --yes
holds "Revert"
grep -qF "Release 8d1e377" "$work/why" || fail "the release is forgotten"
expect 0 holdfast why "apps/Deployment/$space/shop"

if command -v kubectl >/dev/null; then
    chapter "Somebody tries something by hand"
    kubectl -n $space set env deployment/shop DEBUG=yes CACHE=off >/dev/null
    expect 2 holdfast drift --exit-code
    expect 0 holdfast apply --yes
    expect 0 holdfast plan --exit-code
fi

if [ -z "${INSIDE_NAMESPACE:-}" ]; then
    chapter "Everything goes"
    kubectl delete namespace $space --wait=false
fi
printf '\nAll as promised.\n'
