#!/usr/bin/env bash
# The SDK as a stranger finds it: installs the build tree $2 below a folder of its own, builds the examples and
# fresh templates against nothing but that, and lets the installed conformance kit judge them.
#   installed.sh CMAKE BUILD SOURCE
set -euo pipefail

cmake=$1 build=$2 source=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A build folder inside the sources must not be found by accident, nor an installation on this machine.
unset HOLDFAST_PLUGIN_PATH HOLDFAST_WORKER Holdfast_DIR CMAKE_PREFIX_PATH
export CCACHE_DISABLE=1

fail() {
    echo "installed.sh: $1" >&2
    exit 1
}

quietly() {
    "$@" >"$work/log" 2>&1 || { cat "$work/log"; fail "failed: $*"; }
}

umask 002 # the strictest case: a group that may write makes plugins unsafe
quietly "$cmake" --install "$build" --prefix "$work/prefix"
for file in bin/holdfast bin/holdfast-conformance libexec/holdfast/holdfast-provider \
    libexec/holdfast/holdfast-supervisor lib/systemd/system/holdfast-confirm.service \
    lib/systemd/system/holdfast-confirm-early.service \
    lib/holdfast/plugins/libholdfast-host.so include/holdfast/provider.h include/holdfast/provider.hpp \
    include/holdfast/json.hpp share/man/man1/holdfast.1; do
    [ -e "$work/prefix/$file" ] || fail "not installed: $file"
done
[ -z "$(find "$work/prefix" -name '*memory*')" ] || fail "plugins for tests were installed"
[ "$(find "$work/prefix" -name HoldfastConfigVersion.cmake | wc -l)" = 1 ] || fail "no version file"
! grep -rIlF "$build/" "$work/prefix" || fail "installed files name the build tree"

# judge NAME FOLDER: configure, build, conformance
judge() {
    quietly "$cmake" -S "$2" -B "$work/build-$1" -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_BUILD_TYPE=Debug
    quietly "$cmake" --build "$work/build-$1"
    ! grep -q 'warning:' "$work/log" || { cat "$work/log"; fail "$1 builds with warnings"; }
    (cd "$work/build-$1" && quietly ctest --output-on-failure --no-tests=error)
    local plugin
    plugin=$(find "$work/build-$1/plugins" -name 'libholdfast-*.so')
    # One symbol, and no unique one.
    [ "$(nm --dynamic --defined-only "$plugin" | grep -cv ' holdfast_plugin_v1$')" = 0 ] || fail "$plugin exports too much"
    echo "$1 builds and conforms"
}

cp -r "$source/examples/provider-hello" "$source/examples/provider-hello-c" "$work/"
[ "$(wc -l <"$work/provider-hello/hello.cpp")" -lt 60 ] || fail "the C++ example is longer than it may be"
judge hello "$work/provider-hello"
judge hello-c "$work/provider-hello-c"

cd "$work"
"$work/prefix/bin/holdfast" provider new my-dns >/dev/null
"$work/prefix/bin/holdfast" -C "$work" provider new notes --c >/dev/null
judge my-dns "$work/provider-my-dns"
judge notes "$work/provider-notes"
! "$work/prefix/bin/holdfast" provider new notes 2>"$work/log" || fail "a template was written over another one"
grep -q 'provider.folder-exists' "$work/log" || fail "the refusal to overwrite does not say so"
! grep -ri hello "$work/provider-my-dns" "$work/provider-notes" || fail "the templates still speak of hello"

# The new plugin beside those that were installed, and used by the engine.
quietly "$cmake" --install "$work/build-my-dns" --prefix "$work/prefix"
mkdir "$work/repo" "$work/target"
cd "$work/repo"
git init -q
cat >holdfast.yaml <<END
apiVersion: holdfast.dev/v1alpha1
kind: Provider
metadata: {name: mine}
spec: {plugin: my-dns, config: {directory: $work/target}}
---
apiVersion: holdfast.dev/v1alpha1
kind: Stack
metadata: {name: web}
spec: {path: ., providers: {my-dns.example.org: mine}}
END
cat >one.yaml <<END
apiVersion: my-dns.example.org/v1
kind: Greeting
metadata: {name: one}
spec: {key: one, text: held fast}
END
git add . && git -c user.name=Test -c user.email=test@example.org commit -qm "One"
quietly "$work/prefix/bin/holdfast" --store "$work/store" apply --yes
[ "$(cat "$work/target/one")" = "held fast" ] || fail "the new plugin does not work in the engine"

# From the build tree as well.
quietly "$cmake" -S "$work/provider-hello-c" -B "$work/build-tree" -DHoldfast_DIR="$build/cmake"
quietly "$cmake" --build "$work/build-tree"
