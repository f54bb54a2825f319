#!/usr/bin/env bash
# Builds cni.go on a libcni that knows GC and STATUS.
#
#   test/runtimes/libcni/build.sh OUTPUT
#
# Debian 12's does not, and its Go is too old for one that does. So both come from a
# newer suite, unpacked for the build and thrown away. The program stays in the cache.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
readonly output=$1
readonly suite=forky library=golang-github-appc-cni-dev
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipip-cni/libcni

die() {
    printf 'libcni/build.sh: %s\n' "$@" >&2
    exit 1
}

# run WHAT COMMAND...: its output matters only if it fails.
run() {
    local what=$1
    shift
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        die "$what failed, see above"
    }
}

# Prints the archives of Debian that the machine uses, without those of updates, which
# have no other suites.
print_archives() {
    # shellcheck disable=SC2016  # apt expands it
    apt-get indextargets --format '$(CODENAME) $(REPO_URI)' \
        'Origin: Debian' 'Component: main' 'Created-By: Packages' | sed -n '/^[^ ]*-/!s/^[^ ]* //p' | sort -u
}

# Makes a directory in which apt can work without touching the system, and sets the array
# "apt" to the options for that. Its archives are the machine's own, of another suite.
set_up_apt() {
    local dir=$work/apt keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    # Without any package lists apt does not know whose its archives are.
    [[ $(print_archives) ]] || run 'apt-get update' apt-get update
    mkdir -p "$dir/lists/partial" "$dir/archives/partial"
    print_archives | sed "s|.*|deb [arch=amd64 signed-by=$keyring] & $suite main|" >"$dir/sources.list"
    [[ -s $dir/sources.list ]] || die 'apt knows no archive of Debian, which libcni is to come from' \
        'put one into /etc/apt/sources.list.d and run, as root: apt-get update'
    apt=(-o "Dir::State=$dir" -o Dir::State::status=/dev/null -o "Dir::Cache=$dir"
        -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o APT::Sandbox::User=root -o Acquire::Retries=3)
    run "fetching the package lists of $suite" apt-get "${apt[@]}" update
}

# Prints the package of the Go compiler that "golang-go" stands for, and that of its library.
compiler() {
    apt-cache "${apt[@]}" show --no-all-versions golang-go |
        sed -nE 's/^Depends:.*(golang-[0-9.]+)-go.*/\1-go\n\1-src/p'
}

build() {
    local deb packages goroot
    set_up_apt
    mapfile -t packages < <(compiler)
    (cd "$work" && run "downloading libcni and Go of $suite" \
        apt-get "${apt[@]}" download "$library" "${packages[@]}")
    for deb in "$work"/*.deb; do
        dpkg-deb -x "$deb" "$work/tree"
    done
    goroot=$(find "$work/tree/usr/lib" -maxdepth 1 -name 'go-*')
    run 'compiling cni.go' env GOROOT="$goroot" GOPATH="$work/tree/usr/share/gocode" GOCACHE="$work/objects" \
        GO111MODULE=off GOTOOLCHAIN=local CGO_ENABLED=0 \
        "$goroot/bin/go" build -trimpath -o "$work/cni" "$here/cni.go"
    mv "$work/cni" "$program"
}

version=$(cat "$here/build.sh" "$here/cni.go" | sha256sum)
program=$cache/cni-${version:0:16}
mkdir -p "$cache"
# One at a time; the others then find the work done.
exec {lock}>"$cache/lock"
flock "$lock"
if [[ ! -x $program ]]; then
    echo "libcni/build.sh: compiling a client of $suite's libcni, once" >&2
    # Whatever is left here comes from a build that was cut short.
    rm -rf "$cache"/.new.*
    work=$(mktemp -d "$cache/.new.XXXXXX")
    trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
    build
fi
cp "$program" "$output"
