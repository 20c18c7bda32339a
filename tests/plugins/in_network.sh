#!/usr/bin/env bash
# Runs a command in a network namespace of its own, with `lo` up: its servers may listen on fixed ports.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin
options=(--net)
[ "$(id -u)" = 0 ] || options+=(--map-root-user)
exec unshare "${options[@]}" sh -c 'ip link set lo up && exec "$@"' - "$@"
