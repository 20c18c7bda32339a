#!/usr/bin/env bash
# One list of people on three targets, shown on servers of its own in a network namespace: a Linux system in a
# folder, slapd and PostgreSQL. Plans, applies, corrects a hand edit, lets a grant run out, refuses a broken list, and
# removes a person everywhere. Needs root. Exits 1 if anything is not as promised.
#
#   examples/team-access/run.sh             builds what is needed, then shows it
#   BUILD=build/dev examples/team-access/run.sh      with a build that is there already
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
# shellcheck source-path=SCRIPTDIR source=../support.sh
. "$here/../support.sh"
[ "$(id -u)" = 0 ] || { echo "accounts are root's to write: run this as root" >&2; exit 1; }

if [ -z "${INSIDE_NAMESPACE:-}" ]; then
    build holdfast_plugin_access
    enter_namespaces --net
fi
ip link set lo up

work=$(mktemp -d)
chmod 755 "$work"
slapd=
pg=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
as_postgres() { (cd /; runuser -u postgres -- "$@"); }
clean_up() {
    [ -z "$slapd" ] || kill "$slapd" 2>/dev/null || true
    [ ! -e "$work/db/postmaster.pid" ] || as_postgres "$pg/pg_ctl" -D "$work/db" -m immediate stop >/dev/null 2>&1 || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

password=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
in_directory() { ldapsearch -LLL -x -H ldap://127.0.0.1:13389 -D cn=admin,dc=example,dc=org -w "$password" -b dc=example,dc=org "$1" "$2"; }
in_db() { psql -h 127.0.0.1 -p 15432 -U postgres -d postgres -AtqXc "$1"; }

# A small Linux system.
mkdir -p "$work/web-1/etc/skel" "$work/web-1/etc/sudoers.d" "$work/web-1/home"
(cd "$work/web-1/etc"
 echo 'root:x:0:0:root:/root:/bin/bash' >passwd; echo 'root:*:19000:0:99999:7:::' >shadow; chmod 640 shadow
 printf 'root:x:0:\ndocker:x:998:\nvideo:x:44:\n' >group; printf 'root:*::\ndocker:!::\nvideo:!::\n' >gshadow; chmod 640 gshadow)

# A directory.
mkdir "$work/ldap"
cat >"$work/slapd.conf" <<CONF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
database mdb
suffix dc=example,dc=org
rootdn cn=admin,dc=example,dc=org
rootpw $password
directory $work/ldap
overlay syncprov
CONF
slapd -d 0 -f "$work/slapd.conf" -h ldap://127.0.0.1:13389 >"$work/slapd.log" 2>&1 &
slapd=$!
for _ in $(seq 250); do
    ldapwhoami -x -H ldap://127.0.0.1:13389 -D cn=admin,dc=example,dc=org -w "$password" >/dev/null 2>&1 && break
    sleep 0.04
done
printf 'dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: e\n
dn: ou=people,dc=example,dc=org\nobjectClass: organizationalUnit\nou: people\n
dn: ou=groups,dc=example,dc=org\nobjectClass: organizationalUnit\nou: groups\n' |
    ldapadd -x -H ldap://127.0.0.1:13389 -D cn=admin,dc=example,dc=org -w "$password" >/dev/null || {
    cat "$work/slapd.log" >&2; fail "slapd does not answer"; }

# A database.
install -d -o postgres "$work/db"
as_postgres "$pg/initdb" -D "$work/db" -A trust -U postgres --no-sync -E UTF8 --locale=C >"$work/initdb.log"
as_postgres "$pg/pg_ctl" -D "$work/db" -w -l "$work/db/log" \
    -o "-p 15432 -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off" start >/dev/null
in_db 'CREATE TABLE orders (id int)'

export PATH=$BUILD/bin:$PATH HOLDFAST_PLUGIN_PATH=$BUILD/plugins HOLDFAST_CONFIG=$work/operator.yaml
export XDG_STATE_HOME=$work/state GIT_CONFIG_GLOBAL=/dev/null
for person in AUTHOR COMMITTER; do export "GIT_${person}_NAME=Ana Souza" "GIT_${person}_EMAIL=ana@example.org"; done
printf 'password: "%s"\n' "$password" >"$work/ldap.yaml"
chmod 600 "$work/ldap.yaml"
printf 'secrets:\n- {name: LDAP, file: ldap.yaml, providers: [directory]}\n' >"$work/operator.yaml"
cp -r "$here/repo" "$work/repo"
cd "$work/repo"
git init -q -b main
commit() { git add --all; git commit -q -m "$1"; }
commit "Say who may do what"

chapter "One list, three targets"
expect 0 holdfast plan
expect 0 holdfast apply --yes
grep -q '^docker:x:998:ana,bob$' "$work/web-1/etc/group" || fail "ana and bob should be in docker"
says 'memberUid: bob' in_directory '(cn=ops)' memberUid || fail "bob should be in ops in the directory"
[ "$(in_db "SELECT has_table_privilege('bob', 'orders', 'SELECT')")" = t ] || fail "bob should read orders"
expect 0 holdfast plan --exit-code
expect 0 holdfast access who-can web-1

chapter "Somebody adds bob to a group, and a key to his account"
usermod --prefix "$work/web-1" -aG video bob
sed 's/7d.*/8d intruder/' "$work/web-1/home/bob/.ssh/authorized_keys" >"$work/keys"
cat "$work/keys" >>"$work/web-1/home/bob/.ssh/authorized_keys"
expect 2 holdfast drift --exit-code
expect 0 holdfast apply --yes
grep -q '^video:x:44:$' "$work/web-1/etc/group" || fail "bob should not be in video"

chapter "A list with a mistake in it changes nothing"
sed -i 's/role: ops/role: opps/' team/access.yaml
commit "Mistype a role"
expect 1 holdfast apply --yes
grep -q '^docker:x:998:ana,bob$' "$work/web-1/etc/group" || fail "nothing should have changed"
git revert --no-edit HEAD >/dev/null

chapter "A grant runs out"
cat >>team/access.yaml <<YAML
---
apiVersion: access.holdfast.dev/v1alpha1
kind: Role
metadata: {name: release}
spec: {}
---
apiVersion: access.holdfast.dev/v1alpha1
kind: Grant
metadata: {name: release-bob}
spec: {role: release, people: [bob], until: "$(date -u -d '+5 seconds' +%Y-%m-%dT%H:%M:%SZ)", reason: the 2.0 release}
YAML
commit "Let bob release for five seconds"
expect 0 holdfast apply --yes
grep -q '^release:.*:bob$' "$work/web-1/etc/group" || fail "bob should be in release"
sleep 6
expect 0 holdfast apply --yes
grep -q '^release:.*:$' "$work/web-1/etc/group" || fail "bob should not be in release any more"

chapter "Bob leaves while the directory is down"
kill "$slapd"; wait "$slapd" 2>/dev/null || true
sed -i '/^---/,$d' team/people.yaml
git checkout -q HEAD~1 -- team/access.yaml
sed -i 's/\[ana, bob\]/[ana]/' team/access.yaml
commit "Bob has left"
expect 1 holdfast apply --yes
grep -q '^bob:' "$work/web-1/etc/passwd" && fail "bob should have no account on web-1"
[ -z "$(in_db "SELECT 1 FROM pg_roles WHERE rolname = 'bob'")" ] || fail "bob should have no role"
expect 0 holdfast access show bob
slapd -d 0 -f "$work/slapd.conf" -h ldap://127.0.0.1:13389 >"$work/slapd.log" 2>&1 &
slapd=$!
sleep 1
expect 0 holdfast apply --yes
[ -z "$(in_directory '(uid=bob)' uid)" ] || fail "bob should be gone from the directory"
expect 0 holdfast access show bob

printf '\nAll as promised.\n'
