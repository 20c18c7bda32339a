#!/usr/bin/env bash
# A walker that finds nothing proves nothing: here the provider lies about its updates, which has to be found,
# made short, and found again by what is printed.
set -uo pipefail
walks=$1 seed=$2
output=$("$walks" --seed "$seed" --lie o0 --lie o1 --lie o2)
status=$?
steps=$(sed -n 's/^These \([0-9]*\) steps are enough:$/\1/p' <<<"$output")
again=$(sed -n 's/^Again, with what happens: walks //p' <<<"$output")
if [ $status != 1 ] || [ -z "$steps" ] || [ "$steps" -gt 8 ]; then
    echo "$output"
    echo "wanted: the lie is found and made shorter than 9 steps (exit code $status)"
    exit 1
fi
# shellcheck disable=SC2086  # words
if "$walks" --no-shrink $again >/dev/null; then
    echo "the printed command finds nothing: walks $again"
    exit 1
fi
# shellcheck disable=SC2086
if ! "$walks" --no-shrink ${again//--lie o[0-9]/}; then
    echo "the same steps fail without a lie as well"
    exit 1
fi
echo "found, with $steps steps"
