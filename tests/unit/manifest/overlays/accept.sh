#!/usr/bin/env bash
# Writes the expected.yaml of each case, or of those named, with the kustomize at hand: `kubectl kustomize`.
# The files in Git are those of kustomize 5.5.0 (kubectl 1.32).
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")"
[ $# -gt 0 ] || set -- */
for case in "$@"; do
    kubectl kustomize "$case/in/top" >"$case/expected.yaml.new"
    mv "$case/expected.yaml.new" "$case/expected.yaml"
done
