#!/usr/bin/env bash
# search.sh FUZZER CORPUS INPUTS: looks for inputs that break FUZZER, beginning with the files of the folder
# CORPUS, with the words of CORPUS.dict. With HOLDFAST_FUZZ_SECONDS for so long, and elsewhere each time; else so
# many INPUTS, about a minute, and the same each time: what one commit passes, it passes again. Nothing in CORPUS is
# written: what is found is left in findings/ beside the fuzzer, and how to run it again is said.
set -uo pipefail

[ $# = 3 ] || { echo "usage: search.sh FUZZER CORPUS INPUTS" >&2; exit 64; }
fuzzer=$1 corpus=$2 inputs=$3
name=$(basename "$fuzzer")
findings=$(dirname "$fuzzer")/findings
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$findings"

options=(-max_len=4096 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
    -artifact_prefix="$findings/$name-" -verbosity=0)
if [ -n "${HOLDFAST_FUZZ_SECONDS:-}" ]; then
    options+=(-max_total_time="$HOLDFAST_FUZZ_SECONDS")
else
    options+=(-seed=1 -runs="$inputs")
fi
[ -f "$corpus.dict" ] && options+=(-dict="$corpus.dict")
# yaml-cpp leaks what an exception leaves behind; a leak of ours is found by the suite asan.
export ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-} UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
if "$fuzzer" "${options[@]}" "$work" "$corpus" >"$work.log" 2>&1; then
    sed -n 's/^stat::number_of_executed_units: */inputs tried: /p' "$work.log"
    rm -f "$work.log"
    exit 0
fi
grep -av NEW_FUNC "$work.log" | tail -n 60
artifact=$(sed -n 's/.*Test unit written to //p' "$work.log" | tail -n 1)
rm -f "$work.log"
echo "FOUND: $artifact"
echo "Again: $fuzzer $artifact"
echo "Smaller: $fuzzer -minimize_crash=1 -runs=100000 $artifact"
echo "Once it is mended, keep it: cp $artifact $corpus/"
exit 1
