#!/usr/bin/env bash
# Builds cni.go on a libcni that knows GC and STATUS.
#
#   test/runtimes/libcni/build.sh OUTPUT
#
# Debian 12's does not, and its Go is too old for one that does. So both come from a
# newer suite, unpacked for the build and thrown away. The program stays in the cache.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=../../archive.sh
source "$here/../../archive.sh"
readonly output=$1
readonly suite=forky library=golang-github-appc-cni-dev
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipip-cni/libcni

# Prints the package of the Go compiler that "golang-go" stands for, and that of its library.
compiler() {
    field Depends golang-go | sed -nE 's/.*(golang-[0-9.]+)-go.*/\1-go\n\1-src/p'
}

build() {
    local packages goroot
    set_up_apt "$work/apt" "$suite"
    mapfile -t packages < <(compiler)
    unpack "$work/tree" "$library" "${packages[@]}"
    goroot=$(find "$work/tree/usr/lib" -maxdepth 1 -name 'go-*')
    run 'compiling cni.go' env GOROOT="$goroot" GOPATH="$work/tree/usr/share/gocode" GOCACHE="$work/objects" \
        GO111MODULE=off GOTOOLCHAIN=local CGO_ENABLED=0 \
        "$goroot/bin/go" build -trimpath -o "$work/cni" "$here/cni.go"
    mv "$work/cni" "$program"
}

version=$(cat "$here/build.sh" "$here/cni.go" | sha256sum)
program=$cache/cni-${version:0:16}
# One at a time; the others then find the work done.
lock_cache "$cache"
if [[ ! -x $program ]]; then
    say "compiling a client of $suite's libcni, once"
    begin_work "$cache"
    build
fi
cp "$program" "$output"
