# What tests/run.sh and tests/nightly.sh share; to be sourced with `root` set.
# shellcheck shell=bash

: "${root:?}"
results=$root/build/tests/results
passed=0 failed=0 skipped=0
times=()
failures=()
suite_options=()
jobs=$(nproc)
export CTEST_OUTPUT_ON_FAILURE=1
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-1}
# A variable of the caller must not change what the tests see.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_SSL_CAINFO CURL_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR \
    REQUESTS_CA_BUNDLE HOLDFAST_CONFIG HOLDFAST_ACCEPT

# timed NAME COMMAND...: runs it and remembers how long it took.
timed() {
    local name=$1 started=$SECONDS status=0
    shift
    "$@" || status=$?
    times+=("$(printf '%-14s %4d s' "$name" $((SECONDS - started)))")
    return $status
}

# Output is kept in a file and shown only when the command fails.
quietly() {
    local log=$1
    shift
    if ! "$@" >"$log" 2>&1; then
        tail -n 200 "$log"
        return 1
    fi
}

build_suite() {
    local preset=$1
    (cd "$root" && quietly "$results/$preset.configure.log" \
        cmake --preset "$preset" -B "$root/build/tests/$preset" "${suite_options[@]}") &&
        quietly "$results/$preset.build.log" cmake --build "$root/build/tests/$preset" --parallel "$jobs"
}

# run_suite PRESET [which tests, as for ctest]: builds the preset and runs its tests in parallel.
run_suite() {
    local preset=$1
    shift
    mkdir -p "$results"
    rm -f "$results/$preset.xml"
    echo "== $preset: build"
    if ! timed "$preset build" build_suite "$preset"; then
        failed=$((failed + 1))
        failures+=("$preset: the build failed")
        return
    fi
    echo "== $preset: test"
    timed "$preset test" ctest --test-dir "$root/build/tests/$preset" --parallel "$jobs" --no-tests=error \
        --output-junit "$results/$preset.xml" --test-output-size-passed 4000000 \
        --test-output-size-failed 4000000 "$@"
    if [ ! -s "$results/$preset.xml" ]; then
        failed=$((failed + 1))
        failures+=("$preset: the tests did not run")
        return
    fi
    count_results "$preset"
}

# Adds up test cases, not programs: a program's own summary says how many it held. One that dies without
# a summary counts as one failure. A line "SKIPPED: why" is one case that could not run here.
count_results() {
    local preset=$1 what a b c
    while IFS=$'\t' read -r what a b c; do
        case $what in
            counts) passed=$((passed + a)) failed=$((failed + b)) skipped=$((skipped + c)) ;;
            failure) failures+=("$preset: $a") ;;
            skip) echo "skipped: $preset: $a" ;;
        esac
    done < <(awk '
        function attribute(key) {
            if (!match($0, " " key "=\"[^\"]*\"")) return ""
            return substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 4)
        }
        /<testcase / { name = attribute("name"); status = attribute("status"); cases = bad = out = 0 }
        /SKIPPED: / { out++; text = $0; sub(/.*SKIPPED: /, "", text); print "skip\t" name ": " text }
        /All tests passed \(/ { match($0, /in [0-9]+ test case/); cases = substr($0, RSTART + 3, RLENGTH - 13) }
        /^test cases: / { cases = $3; if (match($0, /[0-9]+ failed/)) bad = substr($0, RSTART, RLENGTH - 7) }
        /<\/testcase>/ {
            if (status == "fail" && bad == 0) bad = 1
            if (status == "fail") print "failure\t" name
            if ((status == "disabled" || status == "notrun") && out == 0) out = 1
            if (cases < bad + out) cases = bad + out
            if (cases < 1) cases = 1
            print "counts\t" cases - bad - out "\t" bad "\t" out
        }' "$results/$preset.xml")
}

finish_suites() {
    echo
    printf '%s\n' "${times[@]}"
    [ ${#failures[@]} = 0 ] || printf 'FAILED: %s\n' "${failures[@]}"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ $failed = 0 ]
}
