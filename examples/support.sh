# What the examples share; to be sourced by examples/*/run.sh with `here` set to its folder.
# shellcheck shell=bash

: "${here:?}"
root=$(cd "$here/../.." && pwd)
export PATH=$PATH:/usr/sbin:/sbin

# build TARGET...: installs what is needed and builds a release, unless BUILD names a build that is there already.
build() {
    if [ -z "${BUILD:-}" ]; then
        "$root/tests/support/install.sh" build test
        BUILD=$root/build/release
        (cd "$root" && cmake --preset release >/dev/null &&
            cmake --build "$BUILD" --parallel "$(nproc)" --target holdfast holdfast_provider_worker "$@")
    fi
    BUILD=$(readlink -f "$BUILD")
    export BUILD
}

# enter_namespaces OPTION...: starts run.sh again where only it and its servers are; as for unshare.
enter_namespaces() {
    local options=("$@")
    [ "$(id -u)" = 0 ] || options+=(--map-root-user)
    export INSIDE_NAMESPACE=yes
    exec unshare "${options[@]}" "$here/run.sh"
}

fail() { printf '\nNOT AS PROMISED: %s\n' "$1" >&2; exit 1; }
chapter() { printf '\n== %s\n' "$1"; }

# expect CODE COMMAND...: shows and runs it, and insists on that exit code. `within` holds the words, if any, that
# start it in the place of the one who types.
within=()
expect() {
    local code=$1 status=0
    shift
    printf '\n$ %s\n' "$*"
    "${within[@]}" "$@" || status=$?
    [ "$status" = "$code" ] || fail "\"$*\" exited with $status instead of $code"
}

# says WORDS COMMAND...: whether the words are in what it prints. Not by `| grep -q`, which goes away at the first
# match and with it, now and then, the command: that would count as a failure.
says() {
    local words=$1 said
    shift
    said=$("$@") && [[ $said == *"$words"* ]]
}

# clear_away FOLDER: a supervisor may still be removing what it kept in there, which rm takes for an error.
clear_away() {
    for _ in $(seq 50); do
        rm -rf "$1" 2>/dev/null && return
        sleep 0.1
    done
    rm -rf "$1"
}
