#!/usr/bin/env bash
# A zone that two teams share, shown against a BIND of its own in a network namespace: plans, applies, leaves a
# foreign record alone, corrects a hand edit, and refuses a second owner. Needs root, or user namespaces. Exits 1 if
# anything is not as promised.
#
#   examples/dns/run.sh             builds what is needed, then shows it
#   BUILD=build/dev examples/dns/run.sh      with a build that is there already
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../support.sh
. "$here/../support.sh"

if [ -z "${INSIDE_NAMESPACE:-}" ]; then
    build holdfast_plugin_dns
    enter_namespaces --net
fi
ip link set lo up

work=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
key=$(head -c 32 /dev/urandom | base64)
nonce=$RANDOM$RANDOM

ask() { dig +short +time=1 +tries=1 @127.0.0.1 -p 15354 "$@" | sort | tr '\n' ' '; }
holds() { [ "$(ask "$1" "$2")" = "$3" ] || fail "$1 $2 should be \"$3\" and is \"$(ask "$1" "$2")\""; }
edit() { printf 'server 127.0.0.1 15354\nzone example.org\n%s\nsend\n' "$1" | nsupdate -y "hmac-sha256:holdfast:$key"; }

cat >"$work/zone" <<END
\$TTL 300
@ IN SOA ns1 host 1 3600 600 86400 60
@ IN NS ns1
ns1 IN A 127.0.0.1
nonce IN TXT $nonce
END
lock=
if says 'BIND 9.18' named -v; then lock='lock-file none;'; fi
cat >"$work/named.conf" <<END
key "holdfast" { algorithm hmac-sha256; secret "$key"; };
options { directory "$work"; pid-file none; session-keyfile none; $lock managed-keys-directory "$work";
  listen-on port 15354 { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; dnssec-validation no; notify no; };
controls { };
zone "example.org" { type primary; file "$work/zone"; allow-transfer { key holdfast; };
  update-policy { grant holdfast zonesub ANY; }; };
END
named -g -c "$work/named.conf" >"$work/log" 2>&1 &
server=$!
for _ in $(seq 250); do [ "$(ask nonce.example.org TXT)" = "\"$nonce\" " ] && break; sleep 0.04; done
[ "$(ask nonce.example.org TXT)" = "\"$nonce\" " ] || { cat "$work/log" >&2; fail "named does not answer"; }

export PATH=$BUILD/bin:$PATH HOLDFAST_PLUGIN_PATH=$BUILD/plugins HOLDFAST_CONFIG=$work/operator.yaml
export XDG_STATE_HOME=$work/state GIT_CONFIG_GLOBAL=/dev/null
for person in AUTHOR COMMITTER; do export "GIT_${person}_NAME=Ana Souza" "GIT_${person}_EMAIL=ana@example.org"; done
printf 'tsig: "%s"\n' "$key" >"$work/dns.yaml"
chmod 600 "$work/dns.yaml"
printf 'secrets:\n- {name: DNS, file: dns.yaml, providers: [ns]}\n' >"$work/operator.yaml"
cp -r "$here/repo" "$work/repo"
cd "$work/repo"
git init -q -b main
git add --all
git commit -q -m "Describe example.org, each team its part"

chapter "Two teams, one zone"
expect 0 holdfast plan
expect 0 holdfast apply --yes
holds shop.example.org A "192.0.2.80 192.0.2.81 "
holds xn--bcher-kva.example.org CNAME "shop.example.org. "
expect 0 holdfast plan --exit-code

chapter "Somebody edits a record of the shop, and adds one of his own"
edit "update delete shop.example.org. A
update add shop.example.org. 60 A 198.51.100.7
update add his-own.example.org. 60 A 198.51.100.8"
expect 2 holdfast drift --exit-code
expect 0 holdfast apply --yes
holds shop.example.org A "192.0.2.80 192.0.2.81 "
holds his-own.example.org A "198.51.100.8 "

chapter "A team declares what is the other's, spelled otherwise"
cat >shop/mail.yaml <<'END'
apiVersion: dns.holdfast.dev/v1alpha1
kind: RecordSet
metadata: {name: mail}
spec: {zone: Example.ORG., name: MAIL, type: a, values: 192.0.2.99}
END
git add --all
git commit -q -m "Take over mail"
expect 1 holdfast plan
holds mail.example.org A "192.0.2.25 "

printf '\nAll as promised.\n'
