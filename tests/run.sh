#!/usr/bin/env bash
# Installs what the tests need, builds Holdfast and runs all its tests:
#   1. preset `ci`: unity build, warnings are errors; every test but the benchmarks
#   2. preset `asan`: address and undefined-behaviour sanitizers; unit, plugin and scenario tests
#   3. preset `fuzz`: the fuzzers, HOLDFAST_FUZZ_SECONDS (60) each
# Ends with one line "N passed, N failed, N skipped"; exits 0 only if nothing failed.
#
#   tests/run.sh [--no-install] [--only ci|asan|fuzz]
set -uo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source-path=SCRIPTDIR source=support/suite.sh
. "$root/tests/support/suite.sh"

install=yes
suites=(ci asan fuzz)
while [ $# -gt 0 ]; do
    case $1 in
        --no-install) install=no ;;
        --only) suites=("${2:?--only needs ci, asan or fuzz}"); shift ;;
        *) echo "usage: tests/run.sh [--no-install] [--only ci|asan|fuzz]" >&2; exit 1 ;;
    esac
    shift
done

if [ $install = yes ]; then
    timed "install" "$root/tests/support/install.sh" build test || exit 1
    # Ten minutes, once; without it the tests of the kubernetes plugin say that they were skipped.
    timed "API server" "$root/tests/support/kubernetes_server.sh" >/dev/null
fi
for suite in "${suites[@]}"; do
    case $suite in
        ci) run_suite ci --label-exclude bench ;;
        asan) run_suite asan --tests-regex '^(unit|plugins|scenario|fuzz)\.' ;;
        fuzz) run_suite fuzz ;;
        *) echo "tests/run.sh: no suite \"$suite\"; there are: ci, asan, fuzz" >&2; exit 1 ;;
    esac
done
finish_suites
