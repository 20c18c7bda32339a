#!/usr/bin/env bash
# Builds kube-apiserver and kube-controller-manager of Debian's own source package, once, into a cache
# outside the tree, and prints the folder that holds them:
#   kubernetes_server.sh            builds what is missing (about ten CPU-minutes, 3 GB while it runs)
#   kubernetes_server.sh --where    prints the folder and builds nothing; fails where it is not complete
#   kubernetes_server.sh --serve FOLDER [--controllers]
#       runs etcd, the API server and, if asked, the controllers on loopback until it gets SIGTERM. FOLDER gets
#       kubeconfig (as administrator), the tokens and certificates, logs, and last of all the file "ready"
# KUBEBUILDER_ASSETS, as controller-runtime's envtest has it, names a folder with other binaries instead.
# The cache is $XDG_CACHE_HOME/holdfast-tests or ~/.cache/holdfast-tests. Needs `install.sh test`.
set -euo pipefail

version=1.20.2
release=bookworm # the package's distribution, whatever this machine runs
mirror=${HOLDFAST_TEST_DEBIAN_MIRROR:-http://deb.debian.org/debian}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/holdfast-tests
target=$cache/kubernetes-$version
binaries=(kube-apiserver kube-controller-manager)

fail() {
    echo "kubernetes_server.sh: $1" >&2
    exit 1
}

is_complete() {
    local name
    for name in "${binaries[@]}"; do [ -x "$1/$name" ] || return 1; done
}

# ---- running ----

certificates() {
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
    (
        cd "$1"
        openssl req -x509 "${key[@]}" -keyout ca.key -out ca.crt -subj /CN=holdfast-test-ca -days 30
        printf 'subjectAltName=DNS:localhost,DNS:kubernetes.test,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n' >server.ext
        printf 'extendedKeyUsage=clientAuth\n' >admin.ext
        for name in server admin; do
            local subject=/CN=localhost
            [ $name = server ] || subject=/O=system:masters/CN=admin
            openssl req "${key[@]}" -keyout $name.key -out $name.csr -subj $subject
            openssl x509 -req -in $name.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out $name.crt -days 30 \
                -extfile $name.ext
        done
        openssl genrsa -out account.key 2048
        echo 'test-admin,admin,1,system:masters' >tokens
        echo 'test-nobody,nobody,2' >>tokens
    ) >"$1/openssl.log" 2>&1
}

kubeconfig() {
    cat <<END
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "https://127.0.0.1:$2", certificate-authority: $1/ca.crt}}]
users: [{name: admin, user: {client-certificate: $1/admin.crt, client-key: $1/admin.key}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
END
}

free_port() {
    local port
    for _ in $(seq 100); do
        port=$((RANDOM % 20000 + 20000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo $port; return; fi
    done
    fail "no free port on loopback"
}

# Whatever happens to us, these end with us.
start() {
    local name=$1
    shift
    setpriv --pdeathsig KILL "$@" >"$folder/$name.log" 2>&1 </dev/null &
    children+=($!)
}

wait_for() {
    local what=$1 child
    shift
    for _ in $(seq 1200); do
        if "$@" >/dev/null 2>&1; then return; fi
        for child in "${children[@]}"; do kill -0 "$child" 2>/dev/null || break 2; done
        sleep 0.1
    done
    for child in "$folder"/*.log; do tail -n 5 "$child" >&2; done
    fail "$what does not come up; the logs are in $folder"
}

ask() { curl --silent --fail --max-time 5 --cacert "$folder/ca.crt" -H "Authorization: Bearer test-admin" "$url$1"; }

serve() {
    local binaries_folder
    folder=$(cd "$1" && pwd)
    binaries_folder=$("$0" --where)
    local etcd=$binaries_folder/etcd
    [ -x "$etcd" ] || etcd=$(PATH=$PATH:/usr/sbin command -v etcd) || fail "etcd is missing: install etcd-server"
    unset SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE http_proxy https_proxy HTTP_PROXY HTTPS_PROXY
    children=()
    trap 'kill "${children[@]}" 2>/dev/null; wait; exit 0' TERM INT
    trap 'kill "${children[@]}" 2>/dev/null' EXIT
    certificates "$folder"
    local client peer port
    client=$(free_port) peer=$(free_port) port=$(free_port)
    url=https://127.0.0.1:$port
    start etcd "$etcd" --name test --data-dir "$folder/etcd" --unsafe-no-fsync --logger=zap \
        --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
        --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
        --initial-cluster "test=http://127.0.0.1:$peer"
    wait_for etcd curl --silent --fail --max-time 5 "http://127.0.0.1:$client/health"
    local old=()
    [ "$(cat "$binaries_folder/version" 2>/dev/null)" != 1.20.2 ] || old=(--insecure-port=0)
    start apiserver "$binaries_folder/kube-apiserver" --etcd-servers "http://127.0.0.1:$client" --bind-address 127.0.0.1 --advertise-address 127.0.0.1 \
        --secure-port "$port" --tls-cert-file "$folder/server.crt" --tls-private-key-file "$folder/server.key" \
        --client-ca-file "$folder/ca.crt" --service-account-issuer https://localhost --cert-dir "$folder" \
        --service-account-key-file "$folder/account.key" --service-account-signing-key-file "$folder/account.key" \
        --service-cluster-ip-range 10.0.0.0/16 --endpoint-reconciler-type none --token-auth-file "$folder/tokens" \
        --allow-privileged --authorization-mode RBAC --disable-admission-plugins ServiceAccount "${old[@]}"
    wait_for "the API server" ask /readyz
    wait_for "its namespaces" ask /api/v1/namespaces/kube-system
    wait_for "its namespaces" ask /api/v1/namespaces/default
    kubeconfig "$folder" "$port" >"$folder/kubeconfig"
    if [ "${2:-}" = --controllers ]; then
        start controllers "$binaries_folder/kube-controller-manager" --kubeconfig "$folder/kubeconfig" \
            --use-service-account-credentials=true --leader-elect=false --secure-port "$(free_port)" \
            --bind-address 127.0.0.1 --cert-dir "$folder" --service-account-private-key-file "$folder/account.key" \
            --root-ca-file "$folder/ca.crt" --concurrent-namespace-syncs 10 --namespace-sync-period 5s
        wait_for "the controllers" ask /api/v1/namespaces/default/serviceaccounts/default
    fi
    echo "$url" >"$folder/ready"
    wait -n "${children[@]}" || true
    fail "one of the servers has ended; the logs are in $folder"
}

if [ "${1:-}" = --serve ]; then
    [ -d "${2:-}" ] || fail "--serve needs a folder"
    serve "$2" "${3:-}"
fi

# ---- building ----

if [ -n "${KUBEBUILDER_ASSETS:-}" ]; then
    [ -x "$KUBEBUILDER_ASSETS/kube-apiserver" ] ||
        fail "KUBEBUILDER_ASSETS names $KUBEBUILDER_ASSETS, which has no kube-apiserver"
    echo "$KUBEBUILDER_ASSETS"
    exit 0
fi
if is_complete "$target"; then
    echo "$target"
    exit 0
fi
[ "${1:-}" != --where ] || fail "there is no API server yet in $target: run $0 once, it takes ten minutes"

# One builder at a time: several test runs may ask at once.
mkdir -p "$cache"
exec 9>"$cache/kubernetes.lock"
flock 9
if is_complete "$target"; then
    echo "$target"
    exit 0
fi

work=$(mktemp -d "$cache/kubernetes-build.XXXXXX")
log=$cache/kubernetes-build.log
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# apt with lists of its own: the machine's sources stay as they are, and no root is needed.
apt_source() {
    local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e $keyring ] || fail "$keyring is missing: install debian-archive-keyring"
    mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
    echo "deb-src [signed-by=$keyring] $mirror $release main" >"$work/apt/sources.list"
    local options=(-o "Dir::Etc::SourceList=$work/apt/sources.list" -o Dir::Etc::SourceParts=/nonexistent
        -o "Dir::State::Lists=$work/apt/lists" -o "Dir::Cache=$work/apt/cache" -o APT::Sandbox::User=
        -o Acquire::Retries=3 --quiet)
    apt-get "${options[@]}" update
    cd "$work"
    apt-get "${options[@]}" source kubernetes
}

# Go runs what it builds from inside GOPATH, and the vendored reflect2 of 2018 reads the layout of maps in
# a way that crashes since Go 1.18, on the first write of a custom resource: Debian's newer one is put over it.
build() {
    local tree reflect=/usr/share/gocode/src/github.com/modern-go/reflect2
    tree=$(echo "$work"/kubernetes-*/)
    [ -d $reflect ] || fail "$reflect is missing: install golang-github-modern-go-reflect2-dev"
    rm -f "$tree"/vendor/github.com/modern-go/reflect2/*.{go,s}
    cp $reflect/*.go $reflect/*.s "$tree/vendor/github.com/modern-go/reflect2/"
    mkdir -p "$work/gopath/src/k8s.io"
    ln -s "$tree" "$work/gopath/src/k8s.io/kubernetes"
    printf "KUBE_GIT_VERSION='v%s'\nKUBE_GIT_MAJOR='1'\nKUBE_GIT_MINOR='20'\nKUBE_GIT_TREE_STATE='archive'\n" \
        "$version" >"$work/version"
    local go_bin=/usr/lib/go-1.19/bin
    [ -x $go_bin/go ] || go_bin=$(dirname "$(command -v go)") || fail "there is no Go: install golang-go"
    cd "$work/gopath/src/k8s.io/kubernetes"
    export PATH="$go_bin:$PATH" GOPATH="$work/gopath" GOCACHE="$work/gocache" GOPROXY=off CGO_ENABLED=0 \
        GO111MODULE=off GOTOOLCHAIN=local KUBE_GIT_VERSION_FILE="$work/version"
    unset GOFLAGS
    # What else `make` would generate is in the source already, and building its generators takes two minutes.
    make gen_openapi
    # Nobody here has a cloud: without their libraries it takes two thirds of the time.
    GOFLAGS=-tags=providerless hack/make-rules/build.sh cmd/kube-apiserver cmd/kube-controller-manager
    install -d "$target"
    local name
    for name in "${binaries[@]}"; do
        install "_output/local/go/bin/$name" "$target/.$name"
        mv "$target/.$name" "$target/$name"
    done
    echo "$version" >"$target/version"
}

echo "Building Kubernetes $version once, into $target; the log is $log." >&2
(set -e; apt_source; build) >"$log" 2>&1 </dev/null || {
    tail -n 30 "$log" >&2
    fail "the build failed; the whole output is in $log"
}
echo "$target"
