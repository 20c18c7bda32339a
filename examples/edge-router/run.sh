#!/usr/bin/env bash
# A router with two uplinks, shown in network namespaces: routes, rules and a firewall with zones are planned and
# applied, hand edits are set back while what others own stays, and a firewall that would lock its
# administrator out takes itself back. Needs root, or user namespaces. Exits 1 if anything is not as promised.
#
#   examples/edge-router/run.sh                     builds what is needed, then shows it
#   BUILD=build/dev examples/edge-router/run.sh     with a build that is there already
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../support.sh
. "$here/../support.sh"

if [ -z "${INSIDE_NAMESPACE:-}" ]; then
    build holdfast_supervisor holdfast_plugin_routing holdfast_plugin_firewall
    enter_namespaces --net --mount --fork --pid --mount-proc --kill-child
fi

work=$(mktemp -d)
trap 'clear_away "$work"' EXIT # the processes end with this namespace of processes

within=(ip netns exec office) # the administrator's place
on_router() { ip netns exec edge "$@"; }
# reaches PLACE HOST PORT: whether a new TCP connection comes about.
reaches() { ip netns exec "$1" timeout 1 bash -c "exec 3<>/dev/tcp/$2/$3" 2>/dev/null; }
commit() { git add --all && git commit -q -m "$1"; }

# ---- the town: lan, guests and office around the router, and the internet behind its two uplinks ----

mount -t tmpfs tmpfs /run/netns 2>/dev/null || { mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns; }
for place in edge lan guests office internet; do
    ip netns add "$place"
    ip -n "$place" link set lo up
done
# cable PLACE IN-PLACE IN-ROUTER PLACE-ADDRESS ROUTER-ADDRESS
cable() {
    ip -n edge link add "$3" type veth peer name "$2" netns "$1"
    ip -n "$1" addr add "$4/24" dev "$2"
    ip -n edge addr add "$5/24" dev "$3"
    ip -n "$1" link set "$2" up
    ip -n edge link set "$3" up
}
cable lan eth0 lan 10.1.0.10 10.1.0.1
cable guests eth0 guests 10.2.0.10 10.2.0.1
cable office eth0 office 10.9.0.10 10.9.0.1
cable internet first wan1 198.51.100.1 198.51.100.2
cable internet second wan2 203.0.113.1 203.0.113.2
for place in lan guests office; do ip -n "$place" route add default via "$(ip -n edge -4 -o addr show "$place" | sed 's#.*inet \([0-9.]*\)/.*#\1#')"; done
ip -n internet addr add 192.0.2.80/32 dev lo
on_router sysctl -qw net.ipv4.ip_forward=1
for path in all default wan1 wan2; do on_router sysctl -qw "net.ipv4.conf.$path.rp_filter=0"; done
# Something to reach: ssh on the router, and services on the internet.
ssh-keygen -q -t ed25519 -N '' -f "$work/host_key"
mkdir -p /run/sshd
serve() { ip netns exec "$1" "$(command -v sshd)" -f /dev/null -h "$work/host_key" -o PidFile=none -o "Port $2" -E "$work/sshd.log"; }
serve edge 22
serve internet 22
serve internet 53

export PATH=$BUILD/bin:$PATH HOLDFAST_PLUGIN_PATH=$BUILD/plugins HOLDFAST_CONFIG=$work/operator.yaml
export XDG_STATE_HOME=$work/state GIT_CONFIG_GLOBAL=/dev/null
for person in AUTHOR COMMITTER; do export "GIT_${person}_NAME=Li Wei" "GIT_${person}_EMAIL=li.wei@example.org"; done
: >"$work/operator.yaml"
cp -r "$here/repo" "$work/repo"
cd "$work/repo"
git init -q -b main
commit "Describe the router of the branch office"

chapter "The router as declared"
expect 0 holdfast plan
expect 0 holdfast apply --yes
expect 0 holdfast plan --exit-code
reaches lan 192.0.2.80 22 || fail "the lan does not reach the internet"
reaches guests 192.0.2.80 53 || fail "guests cannot ask for names"
reaches guests 192.0.2.80 22 && fail "guests reach more than names"
reaches office 10.9.0.1 22 || fail "the office does not reach the router"
reaches internet 198.51.100.2 22 && fail "the internet reaches the router"

chapter "Hands at night: a route and a rule are changed; others leave things of their own"
on_router ip route replace default via 203.0.113.1 dev wan2 proto 72
on_router nft flush chain inet edge policy_guests-to-wan
on_router nft add table ip docker
on_router nft add chain ip docker forward '{ type filter hook forward priority 0; }'
on_router ip route add 172.31.0.0/16 via 10.1.0.99 proto bird
expect 2 holdfast drift --exit-code
expect 0 holdfast apply --yes
says 'via 198.51.100.1 dev wan1' on_router ip route show default || fail "the default route was not set back"
reaches guests 192.0.2.80 22 && fail "guests reach more than names"
says forward on_router nft list table ip docker || fail "somebody else's table is gone"
says 172.31 on_router ip route show proto bird || fail "somebody else's route is gone"

chapter "A typo locks the office out; the firewall takes itself back"
sed -i 's/interfaces: \[office\]/interfaces: [ofice]/' firewall/zones.yaml
sed -i 's/established,related accept/established,related counter accept/' firewall/chains.yaml
commit "Count what is established"
expect 4 holdfast apply --yes
reaches office 10.9.0.1 22 || fail "the office stayed locked out"
expect 0 holdfast status

chapter "Corrected, and applied"
sed -i 's/\[ofice\]/[office]/' firewall/zones.yaml
commit "Spell office as the interface does"
expect 0 holdfast apply --yes
reaches office 10.9.0.1 22 || fail "the office is locked out"
expect 0 holdfast why Chain/input

printf '\nAll as promised.\n'
