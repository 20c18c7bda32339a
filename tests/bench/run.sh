#!/usr/bin/env bash
# Builds a release and prints the table of measurements: ours, the floor or peer of the same run, the ratio.
#
#   tests/bench/run.sh [LEAVES [CASE...]]   100000 leaves by default; exits 1 if a limit is missed
#
# The cases, all by default: startup chain references first-apply partial overlays daemon no-change. With no
# CASE the providers follow, each beside the tools that people have; they need root, or user namespaces.
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
"$root/tests/support/install.sh" build test
cmake -S "$root" --preset release -DCMAKE_UNITY_BUILD=ON >/dev/null
cmake --build "$root/build/release" --target bench held_session held_daemon floor_yaml_load floor_write_fsync holdfast_test_plugins \
    holdfast_plugin_host holdfast_plugin_kubernetes holdfastd \
    access_bench dns_bench firewall_bench monitoring_bench routing_bench >/dev/null
status=0
"$root/build/release/bench/bench" "$@" || status=1
if [ $# -lt 2 ]; then
    for provider in dns firewall routing access monitoring; do
        printf '\n%s\n' "$provider"
        "$root/build/release/bench/${provider}_bench" || status=1
    done
    printf '\nkubernetes\n'
    "$root/tests/bench/kubernetes_bench.sh" "$root/build/release" || status=1
fi
exit $status
