#!/usr/bin/env bash
# The units as systemd reads them: nothing to complain of, no cycle, and rules are back before there is a network.
#   units.sh BUILD
set -euo pipefail

build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
    echo "units.sh: $1" >&2
    exit 1
}

command -v systemd-analyze >/dev/null || { echo "SKIPPED: there is no systemd-analyze"; exit 77; }
units="holdfast-confirm-early.service holdfast-confirm.service holdfastd.service"
for unit in $units; do
    # Programs are looked for where they are built.
    find "$build/core" -name "$unit" -exec cat {} + |
        sed -E "s#^(Exec[A-Za-z]+=-?)[^ ]*/(holdfast[a-z-]*)#\\1$build/bin/\\2#" >"$work/$unit"
    grep -q "^ExecStart=-\\?$build/bin/" "$work/$unit" || fail "$unit starts no program of ours"
done
said=$(cd "$work" && SYSTEMD_UNIT_PATH="$work:" systemd-analyze verify --man=no $units 2>&1 | grep -iE 'holdfast|cycle' || true)
[ -z "$said" ] || fail "systemd-analyze verify says: $said"

# is_before FIRST SECOND: one of the two says so, in its own file.
is_before() {
    grep -qE "^Before=(.* )?$2( |\$)" "$work/$1" 2>/dev/null || grep -qE "^After=(.* )?$1( |\$)" "$work/$2" 2>/dev/null
}
is_before nftables.service holdfast-confirm-early.service || fail "nftables would flush what is restored"
is_before holdfast-confirm-early.service network-pre.target || fail "the network is up before the rules are back"
is_before holdfast-confirm-early.service holdfast-confirm.service || fail "what is left is tried before the rest"
is_before network.target holdfast-confirm.service || fail "routes are restored before there are interfaces"
is_before holdfast-confirm.service holdfastd.service || fail "the daemon writes before the rest is taken back"
grep -q '^Wants=network-pre.target' "$work/holdfast-confirm-early.service" || fail "nobody asks for network-pre.target"
grep -q '^Also=holdfast-confirm-early.service' "$work/holdfast-confirm.service" || fail "enabling one leaves out the other"
