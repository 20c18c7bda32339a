#!/usr/bin/env bash
# Installs the Debian or Ubuntu packages that a purpose needs, and only those that are missing:
#   install.sh build          what compiles and runs Holdfast
#   install.sh build test     that, and what the tests need
#   install.sh --list build   prints the names and installs nothing
# Needs root or sudo only where something is missing. Silent but for one line, unless it fails.
set -euo pipefail

# The names are the same in Debian 12, Debian 13 and Ubuntu 24.04; where a distribution differs, the
# alternatives stand in one word, "first|second", and the first that apt knows is taken.
build_packages=(
    # tools
    g++ cmake ninja-build pkg-config git ca-certificates
    make                             # what cmake takes by itself where an author builds a provider
    ccache lld                       # only for speed: a build without them works
    # libraries
    libfmt-dev nlohmann-json3-dev libyaml-cpp-dev libgit2-dev libcurl4-openssl-dev libspdlog-dev
    libboost-dev libcli11-dev libsqlite3-dev libsqlitecpp-dev libvalijson-dev libsv-dev libssl-dev
    libldns-dev libidn2-dev                  # the dns plugin
    libnftables-dev libmnl-dev               # the firewall and routing plugins
    libldap-dev libpq-dev                    # the access plugin
)
test_packages=(
    catch2
    clang                                    # the SDK's headers are for clang as well; libFuzzer
    "libclang-rt-dev|libclang-rt-18-dev|libclang-common-14-dev"  # clang's sanitizers and libFuzzer
    attr tmux procps openssl                 # extended attributes; a real terminal; processes; certificates
    systemd                                  # systemd-analyze, for our units
    iproute2 nftables                        # network namespaces; to look at rulesets with
    bind9 bind9-utils bind9-dnsutils knot    # the dns plugin's servers, and dig and nsupdate
    pdns-server pdns-backend-sqlite3 sqlite3
    bird2 frr frr-pythontools                # the routing plugin's daemons
    sudo passwd slapd ldap-utils postgresql  # the access plugin's checks and servers
    prometheus prometheus-alertmanager       # the monitoring plugin's servers, promtool and amtool
    # the kubernetes plugin's server, which kubernetes_server.sh builds from Debian's sources
    "golang-1.19-go|golang-go" golang-github-modern-go-reflect2-dev etcd-server make rsync jq dpkg-dev
    debian-archive-keyring util-linux curl
    lighttpd lighttpd-mod-openssl openssh-server openssh-client  # Git servers
)

is_installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

is_known() { apt-cache show --no-all-versions "$1" >/dev/null 2>&1; }

# "a|b": nothing where one of them is installed, else both, to be decided once apt's lists are fresh.
missing_packages() {
    local entry name
    for entry in "$@"; do
        for name in ${entry//|/ }; do is_installed "$name" && continue 2; done
        echo "$entry"
    done
}

choose() {
    local name
    for name in ${1//|/ }; do
        if is_known "$name"; then echo "$name"; return; fi
    done
    echo "${1%%|*}"  # apt says that it does not exist
}

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -- "$@"; fi
}

quietly() {
    if ! "$@" >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        fail "this failed, with the output above: $*"
    fi
}

# The tests start servers of their own, in namespaces; the packages' default instances must stay off.
hold_services_back() {
    [ -e /usr/sbin/policy-rc.d ] && return
    printf '#!/bin/sh\nexit 101\n' >"$work/policy-rc.d"
    as_root install -m 755 "$work/policy-rc.d" /usr/sbin/policy-rc.d
    held_back=yes
}

clean_up() {
    if [ "$held_back" = yes ]; then as_root rm -f /usr/sbin/policy-rc.d; fi
    rm -rf "$work"
}

only_list=no
wanted=()
for argument in "$@"; do
    case $argument in
        --list) only_list=yes ;;
        build) wanted+=("${build_packages[@]}") ;;
        test) wanted+=("${test_packages[@]}") ;;
        *) fail "unknown purpose \"$argument\"; there are: build, test" ;;
    esac
done
[ ${#wanted[@]} -gt 0 ] || fail "say what for: build, test"
if [ $only_list = yes ]; then
    printf '%s\n' "${wanted[@]}"
    exit 0
fi

command -v apt-get >/dev/null || fail "no apt-get here; install by hand what these are called on your system: ${wanted[*]}"
mapfile -t missing < <(missing_packages "${wanted[@]}")
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    fail "these packages are missing, and there is neither root nor sudo to install them. As root: apt-get install ${missing[*]%%|*}"
fi

work=$(mktemp -d)
log=$work/log
held_back=no
trap clean_up EXIT
export DEBIAN_FRONTEND=noninteractive
started=$SECONDS
printf 'Installing %d packages: %s ... ' ${#missing[@]} "${missing[*]%%|*}"
quietly as_root apt-get --quiet update
names=()
for entry in "${missing[@]}"; do names+=("$(choose "$entry")"); done
hold_services_back
quietly as_root env DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 install "${names[@]}"
echo "done in $((SECONDS - started)) s."
