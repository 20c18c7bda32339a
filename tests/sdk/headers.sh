#!/usr/bin/env bash
# The SDK's headers in every language version that they promise, with GCC and with clang, as strictly as either
# can be asked to judge: authors build with warnings of their own.
#   headers.sh SOURCE
set -euo pipefail

source=$1
tests=$source/tests/unit/sdk
strict=(-fsyntax-only -pedantic-errors -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual
    -Werror -I"$source/sdk/include")
failed=0

# compile COMPILER STANDARD FILE
compile() {
    if "$1" "-std=$2" "${strict[@]}" "$3"; then
        echo "$1 -std=$2 $(basename "$3")"
    else
        echo "headers.sh: $1 -std=$2 does not take $(basename "$3")" >&2
        failed=1
    fi
}

for pair in gcc:g++ clang:clang++; do
    c=${pair%:*} cxx=${pair#*:}
    if ! command -v "$c" >/dev/null || ! command -v "$cxx" >/dev/null; then
        echo "SKIPPED: $c and $cxx are not installed"
        continue
    fi
    for standard in c11 c17; do
        compile "$c" "$standard" "$tests/headers.c"
        compile "$c" "$standard" "$source/examples/provider-hello-c/hello.c"
    done
    for standard in c++17 c++20; do
        compile "$cxx" "$standard" "$tests/headers.cpp"
        compile "$cxx" "$standard" "$source/examples/provider-hello/hello.cpp"
    done
done
# The C header is for C++ as well, also alone.
for cxx in g++ clang++; do
    command -v "$cxx" >/dev/null || continue
    "$cxx" -std=c++17 "${strict[@]}" -x c++ - <<<'#include <holdfast/provider.h>' || failed=1
done
exit $failed
