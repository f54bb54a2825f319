#!/usr/bin/env bash
# Builds programs of Kubernetes, as no package of Debian has the servers, and brings etcd.
#
#   test/kubernetes/build.sh [PROGRAM...]
#
# A PROGRAM is kube-apiserver, which it is unless given, kube-controller-manager,
# kube-scheduler, kubelet, kube-proxy or kubectl. Prints the directory with them and etcd.
#
# They come from Debian 12's source package "kubernetes", which makes only kubectl of it, and
# its Go. They are compiled once, in some minutes, and stay in the cache; ask for all that you
# need at once, as what they share is compiled again for those that are asked for later.
# etcd is unpacked rather than installed, for its package starts a server.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=../archive.sh
source "$here/../archive.sh"
readonly all=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipip-cni/kubernetes
# Raise it when a change here makes what lies in the caches unfit.
readonly format=1
# Points to the programs of the version that was the newest when one was asked for.
readonly current=$cache/current.$format
readonly name=k8s.io/kubernetes

# Fills the array "missing" with those of the wanted programs that DIR lacks.
find_missing() {
    local program
    missing=()
    for program in etcd "${wanted[@]}"; do
        [[ -x $1/$program ]] || missing+=("$program")
    done
}

# Prints the version of the newest source package.
source_version() {
    apt-cache "${apt[@]}" showsrc --only-source kubernetes 2>/dev/null |
        sed -n 's/^Version: //p' | sort --version-sort | tail -n 1
}

# Unpacks the source to where Go looks for it.
bring_source() {
    local tree=$work/go/src/$name
    mkdir "$work/source"
    (cd "$work/source" && run 'downloading the source' \
        apt-get "${apt[@]}" source --download-only "kubernetes=$version")
    mkdir -p "$tree"
    tar -xf "$work"/source/*.orig.tar.gz -C "$tree" --strip-components 1
    # The one it has does not understand this Go's maps: the server dies of that in a minute.
    unpack "$work/packages" golang-github-modern-go-reflect2-dev
    rm -r "$tree/vendor/github.com/modern-go/reflect2"
    mv "$work/packages/usr/share/gocode/src/github.com/modern-go/reflect2" "$tree/vendor/github.com/modern-go/"
}

# Runs a program on the source, in its directory, in Go's environment.
on_source() (
    cd "$work/go/src/$name"
    # Programs without paths of this machine do not know where Go's own library is.
    GOROOT=$(go env GOROOT)
    export GOROOT GOPATH=$work/go GOCACHE=$work/objects GO111MODULE=off CGO_ENABLED=0
    "$@"
)

# Prints the packages with types that are marked for OpenAPI.
print_openapi_packages() {
    grep --recursive --files-with-matches --include='*.go' '^// +k8s:openapi-gen=' pkg staging/src |
        grep --invert-match --extended-regexp 'k8s.io/(code-generator|sample-apiserver)/' |
        xargs dirname | sort -u | sed "s|^staging/src/|vendor/|; s|^|$name/|"
}

# Makes the one file of Go that kube-apiserver lacks: what the types look like.
generate_openapi() {
    run 'compiling openapi-gen' on_source \
        go build -trimpath -o "$work/openapi-gen" "$name/vendor/k8s.io/kube-openapi/cmd/openapi-gen"
    run 'openapi-gen' on_source "$work/openapi-gen" \
        --input-dirs "$(on_source print_openapi_packages | paste -sd ,)" \
        --output-package "$name/pkg/generated/openapi" --output-file-base zz_generated.openapi \
        --go-header-file /dev/null --report-filename /dev/null
}

# Compiles programs to DIR.
compile() {
    local dir=$1 program upstream flags
    shift
    # 1.20.5+really1.20.2-1.1+deb12u1 is 1.20.2.
    upstream=${version##*really}
    upstream=${upstream%%-*}
    flags="-s -w -X $name/vendor/k8s.io/component-base/version.gitVersion=v$upstream"
    flags+=" -X $name/vendor/k8s.io/client-go/pkg/version.gitVersion=v$upstream"
    for program in "$@"; do
        say "compiling $program $upstream, once, which takes minutes"
        [[ $program != kube-apiserver ]] || generate_openapi
        # Without clouds' drivers, which are the greater part of it, and Docker's.
        run "compiling $program" on_source go build -trimpath -tags providerless,dockerless \
            -ldflags "$flags" -o "$dir/$program" "$name/cmd/$program"
    done
}

# Makes what is missing of the newest version.
make_missing() {
    begin_work "$cache"
    set_up_apt "$work/apt" '' deb-src
    version=$(source_version)
    [[ $version ]] || die "this suite's archives have no source of kubernetes: use Debian 12's"
    local dir=$version.$format
    find_missing "$cache/$dir"
    mkdir -p "$work/programs" "$cache/$dir"
    if [[ ${missing[0]-} == etcd ]]; then
        unpack "$work/packages" etcd-server
        mv "$work/packages/usr/bin/etcd" "$work/programs/"
        missing=("${missing[@]:1}")
    fi
    if ((${#missing[@]} > 0)); then
        bring_source
        compile "$work/programs" "${missing[@]}"
    fi
    find "$work/programs" -type f -exec mv -t "$cache/$dir" {} +
    ln -sfn "$dir" "$current"
}

wanted=("$@")
((${#wanted[@]} > 0)) || wanted=(kube-apiserver)
for program in "${wanted[@]}"; do
    [[ " ${all[*]} " == *" $program "* ]] || die "there is no program $program; there are: ${all[*]}"
done
find_missing "$current"
if ((${#missing[@]} > 0)); then
    "$here/../install.sh" golang-go
    # One at a time; the others then find the work done.
    lock_cache "$cache"
    find_missing "$current"
    ((${#missing[@]} == 0)) || make_missing
fi
readlink -f "$current"
