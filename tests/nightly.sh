#!/usr/bin/env bash
# What is too slow for every change: the thread sanitizer, long random tests (thousands of walks), every
# header and every source compiled by itself, an hour of each fuzzer. HOLDFAST_TEST_SCALE multiplies the
# rounds of the random tests (default 20 here, 1 in tests/run.sh), HOLDFAST_FUZZ_SECONDS is the time of each
# fuzzer (3600). Ends with one line "N passed, N failed, N skipped"; exits 0 only if nothing failed.
set -uo pipefail

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
# shellcheck source-path=SCRIPTDIR source=support/suite.sh
. "$root/tests/support/suite.sh"

export HOLDFAST_TEST_SCALE=${HOLDFAST_TEST_SCALE:-20} HOLDFAST_FUZZ_SECONDS=${HOLDFAST_FUZZ_SECONDS:-3600}

timed "install" "$root/tests/support/install.sh" build test || exit 1
run_suite tsan --tests-regex '^(unit|plugins|scenario)\.'
# shellcheck disable=SC2034  # read by run_suite
suite_options=(-D HOLDFAST_HEADER_TESTS=ON -D CMAKE_UNITY_BUILD=OFF)
run_suite ci --label-exclude bench
suite_options=()
run_suite fuzz
finish_suites
