#!/usr/bin/env bash
# Installs what Holdfast needs, builds a release into build/release, and shows the main job in a temporary
# folder: from a commit to a converged target. Every command is shown before it runs, and what it promises is
# checked by looking at the files; exits 1 if anything is not as promised.
#
#   examples/quickstart/run.sh [--keep]      --keep leaves the temporary folder to play with
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(cd "$here/../.." && pwd)
keep=no
case ${1:-} in
    "") ;;
    --keep) keep=yes ;;
    *) echo "usage: examples/quickstart/run.sh [--keep]" >&2; exit 1 ;;
esac

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi

chapter() { printf '\n%s== %s%s\n' "$bold" "$1" "$plain"; }
say() { printf '%s\n' "$*"; }

fail() {
    printf '\nNOT AS PROMISED: %s\n' "$1" >&2
    exit 1
}

# expect CODE COMMAND...: shows and runs it, and insists on that exit code.
expect() {
    local code=$1 status=0
    shift
    printf '\n%s$ %s%s\n' "$bold" "$(shown "$@")" "$plain"
    "$@" || status=$?
    [ "$status" = "$code" ] || fail "\"$(shown "$@")\" exited with $status instead of $code"
    [ "$code" = 0 ] || printf '%s(exit code %s)%s\n' "$dim" "$code" "$plain"
}
run() { expect 0 "$@"; }

# As one would type it.
shown() {
    local word text=''
    for word in "$@"; do
        case $word in *[[:space:]\&\>\*\;]*) word="'$word'" ;; esac
        text+="$word "
    done
    printf '%s' "${text% }"
}

holds() { [ "$(cat "$machine/$1")" = "$2" ] || fail "$1 should hold \"$2\""; }
is_there() { [ -e "$machine/$1" ] || [ -L "$machine/$1" ] || fail "$1 should be there"; }
is_gone() { ! { [ -e "$machine/$1" ] || [ -L "$machine/$1" ]; } || fail "$1 should be gone"; }
has_mode() { [ "$(stat -c %a "$machine/$1")" = "$2" ] || fail "$1 should have mode $2"; }

# commit AUTHOR SUBJECT: everything, as one of our people.
commit() {
    git add --all
    run git commit --quiet --author "$1 <team@example.org>" --message "$2"
}

build() {
    local log=$root/build/quickstart.log started=$SECONDS options=()
    mkdir -p "$root/build"
    [ -e "$root/build/release/CMakeCache.txt" ] || options+=(-D HOLDFAST_TESTS=OFF)
    printf 'Building a release into build/release (some minutes the first time) ... '
    if ! (cd "$root" && cmake --preset release "${options[@]}" &&
        cmake --build build/release --parallel "$(nproc)" --target holdfast holdfast_provider_worker \
            holdfast_plugin_host) >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        fail "the build, see build/quickstart.log"
    fi
    echo "done in $((SECONDS - started)) s."
}

"$root/tests/support/install.sh" build
build

work=$(mktemp -d)
machine=$work/machine
if [ $keep = no ]; then trap 'rm -rf "$work"' EXIT; fi
PATH=$root/build/release/bin:$PATH
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE HOLDFAST_CONFIG HOLDFAST_PLUGIN_PATH HOLDFAST_WORKER
export XDG_STATE_HOME=$work/state XDG_CONFIG_HOME=$work/config  # leave the caller's own store alone
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME='Ana Souza' GIT_AUTHOR_EMAIL=team@example.org
export GIT_COMMITTER_NAME='Ana Souza' GIT_COMMITTER_EMAIL=team@example.org

chapter "1. A repository says what a machine should hold"
mkdir "$machine"
cp -r "$here/repo" "$work/infra"
cd "$work/infra"
say "The machine is an empty folder here, $machine; the repository lies beside it, in infra."
run git init --quiet --initial-branch=main
commit 'Ana Souza' 'Describe the web server'
run cat holdfast.yaml web/motd.yaml

chapter "2. Plan, then apply"
say "A plan says what would change, and changes nothing."
expect 2 holdfast plan --exit-code
[ -z "$(ls -A "$machine")" ] || fail "a plan should change nothing"
run holdfast apply --yes
holds etc/motd 'held fast'
holds www/health ok
has_mode etc/motd 644
has_mode etc/sites/example.conf 640
cmp -s "$machine/etc/sites/example.conf" web/files/example.conf || fail "example.conf should be the file in Git"
[ "$(readlink "$machine/etc/sites/default.conf")" = example.conf ] || fail "default.conf should be a link"
say
say "Now Git and the machine agree, and there is nothing to do:"
expect 0 holdfast plan --exit-code

chapter "3. Somebody edits a file by hand"
run sh -c 'echo "quick fix, tell nobody" > ../machine/etc/motd'
echo "not ours" >"$machine/etc/local.conf"
say
say "That is drift: the machine differs from what was applied, although Git did not change."
expect 2 holdfast drift --exit-code
expect 2 holdfast plan --exit-code
holds etc/motd 'quick fix, tell nobody'
run holdfast apply --yes
holds etc/motd 'held fast'
has_mode etc/motd 644
expect 0 holdfast drift --exit-code

chapter "4. Something is no longer declared"
say "Deleting the document and committing is all it takes; only what Holdfast made is ever removed."
run git rm --quiet web/robots.yaml
commit 'Li Wei' 'Let search engines in'
run holdfast plan
is_there www/robots.txt
run holdfast apply --yes
is_gone www/robots.txt
holds www/index.html '<h1>It works</h1>'
holds etc/local.conf 'not ours'

chapter "5. A mistake that would delete everything"
run git rm --quiet 'web/*.yaml'
commit 'Li Wei' 'Tidy up'
say
say "Nobody may have meant that. --yes does not approve it: the deletes are parked (exit code 3)."
expect 3 holdfast apply --yes
for file in etc/motd etc/sites/example.conf etc/sites/default.conf www/index.html www/health; do is_there "$file"; done
say
say "A person could approve that plan by its hash. We take the commit back instead:"
run git revert --no-edit HEAD
expect 0 holdfast plan --exit-code
holds etc/motd 'held fast'

chapter "6. Why is this file as it is?"
run holdfast why etc/motd
run holdfast history
run holdfast status

chapter "All of it was as promised"
if [ $keep = yes ]; then
    say "The folder stays: cd $work/infra; export PATH=$root/build/release/bin:\$PATH XDG_STATE_HOME=$XDG_STATE_HOME"
fi
say "Next: holdfast help, docs/cli.md, and holdfast init in a repository of your own."
