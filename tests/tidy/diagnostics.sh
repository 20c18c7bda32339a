#!/usr/bin/env bash
# Makes docs/diagnostics.md from docs/diagnostics.d/*.txt, whose lines are "code: explanation".
#   tests/tidy/diagnostics.sh           writes it
#   tests/tidy/diagnostics.sh --check   exits 1 if it is not up to date
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
page=$root/docs/diagnostics.md

generate() {
    cat <<'INTRO'
# Diagnostics

Every error and warning of Holdfast ends with a stable code in brackets, and `--json` has it as `code`.
This page says what each means and what to do. The part before the dot is where it comes from.
INTRO
    cat "$root"/docs/diagnostics.d/*.txt | sed '/^#/d; /^$/d' | sort | awk '
        { dot = index($0, "."); part = substr($0, 1, dot - 1); colon = index($0, ": ") }
        part != last { print "\n## " part "\n"; last = part }
        { print "- `" substr($0, 1, colon - 1) "`: " substr($0, colon + 2) }'
}

if [ "${1:-}" = --check ]; then
    if ! diff --unified=0 "$page" <(generate); then
        echo "docs/diagnostics.md is not up to date: run tests/tidy/diagnostics.sh" >&2
        exit 1
    fi
else
    generate >"$page.new"
    mv "$page.new" "$page"
fi
