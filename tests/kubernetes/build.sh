#!/usr/bin/env bash
# Builds the control plane and the kubelet of Kubernetes 1.20.2 from Debian 12's source package, with Debian's Go: build.sh DIRECTORY.
# Some six minutes of one core and 3 GB while it builds, 700 MB afterwards. Nothing is installed; what is there already is left as it is.
set -euo pipefail
made=$(realpath -m "$1")
work=$made/work
[ ! -e "$made/complete" ] || exit 0
step() { printf 'kubernetes: %s (%ds)\n' "$1" "$SECONDS"; }
say_last() { tail -n 30 "$made/build.log" >&2; }

mkdir -p "$made" "$work"/apt/{lists/partial,cache/archives/partial}
cd "$work"
trap say_last ERR
exec 3>&1 >"$made/build.log" 2>&1
{ step 'fetching sources and what is needed beside them'; } >&3

# Debian's own sources of this machine, with the source packages beside the binary ones.
cp /etc/apt/sources.list.d/debian.sources apt/ 2>/dev/null || true
[ ! -s /etc/apt/sources.list ] || sed -n '/debian/{s/^deb /&/p; s/^deb /deb-src /p}' /etc/apt/sources.list >apt/here.list
sed -i 's/^Types: deb$/Types: deb deb-src/' apt/*.sources 2>/dev/null || true
apt() {
    apt-get -qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/apt" -o Dir::State::lists="$work/apt/lists" \
        -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root "$@"
}
apt update
apt download golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev \
    etcd-server containerd runc containernetworking-plugins conntrack
apt source --download-only kubernetes
for package in *.deb; do
    case $package in
        golang-*) dpkg-deb -x "$package" go ;;
        *) dpkg-deb -x "$package" "$made" ;;
    esac
done

export GOROOT=$work/go/usr/lib/go-1.19 GOPATH=$work/gopath GOCACHE=$work/gocache HOME=$work
export GO111MODULE=off GOPROXY=off CGO_ENABLED=0
# Debian spreads Go over /usr/lib and /usr/share, tied by absolute links: it has to be one tree.
for part in src api misc test; do
    rm -rf "${GOROOT:?}/$part"
    [ ! -e "go/usr/share/go-1.19/$part" ] || cp -r "go/usr/share/go-1.19/$part" "$GOROOT/"
done
sources=$GOPATH/src/k8s.io/kubernetes
mkdir -p "$sources"
tar -xf kubernetes_*.orig.tar.* -C "$sources" --strip-components=1
cd "$sources"
# reflect2 1.0.1, which is in these sources, crashes with Go 1.18 and later when JSON holds maps. Debian has 1.0.2.
reflect2=vendor/github.com/modern-go/reflect2
rm -f "$reflect2"/*.go "$reflect2"/*.s
cp "$work"/go/usr/share/gocode/src/github.com/modern-go/reflect2/*.{go,s} "$reflect2/"
rm -f "$reflect2"/*_test.go

{ step 'generating what the sources leave out'; } >&3
go=$GOROOT/bin/go
"$go" build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
described=$(grep -rl '+k8s:openapi-gen=' --include='*.go' vendor/k8s.io/ staging/src/k8s.io pkg cmd plugin |
    grep -v -e _test.go -e /testdata/ -e kube-openapi/test -e sample- -e code-generator -e openapi-gen | xargs -n1 dirname |
    sed 's#^staging/src/#vendor/#; s#^#k8s.io/kubernetes/#' | sort -u | paste -sd,)
: >"$work/empty"
PATH=$GOROOT/bin:$PATH "$work/openapi-gen" --logtostderr -h "$work/empty" -O zz_generated.openapi -r /dev/null \
    -p k8s.io/kubernetes/pkg/generated/openapi -i "$described" --output-base "$GOPATH/src"

version=k8s.io/kubernetes/vendor/k8s.io/component-base/version
mkdir -p "$made/bin"
for program in kube-apiserver kubelet kube-controller-manager kube-scheduler; do
    { step "building $program"; } >&3
    "$go" build -ldflags "-s -w -X $version.gitVersion=v1.20.2 -X $version.gitMajor=1 -X $version.gitMinor=20" \
        -o "$made/bin/$program" "./cmd/$program"
done
cd "$made"
rm -rf "$work"
touch "$made/complete"
{ step 'built'; } >&3
