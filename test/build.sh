#!/bin/bash
# Builds the project, or some of its targets, and installs what that takes.
#
#   test/build.sh [PRESET [TARGET...]]
#
# PRESET is one of CMakePresets.json, "release" unless given. Without a TARGET
# everything is built, the tests too. With programs as TARGETs, for instance
# ipip, a fresh build directory is set up without the tests: that needs no
# GoogleTest. The compiler is heard only if it fails. ccache keeps what it made in
# ~/.cache/ipip-cni/ccache; CCACHE_DISABLE=1 does without.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/.."

say() {
    printf 'build.sh: %s\n' "$@" >&2
}

# Runs a command whose output matters only if it fails.
run() {
    "$@" >"$log" 2>&1 </dev/null || {
        cat "$log" >&2
        say "failed: $*"
        exit 1
    }
}

# The Debian packages that this build takes, a line each.
packages() {
    printf '%s\n' cmake ninja-build pkg-config g++ ccache \
        libnl-3-dev libnl-route-3-dev nlohmann-json3-dev libspdlog-dev libfmt-dev liblmdb-dev \
        libcurl4-openssl-dev libyaml-cpp-dev libcivetweb-dev prometheus-cpp-dev libcli11-dev libseccomp-dev
    [[ $preset != clang && $preset != fuzz ]] || echo clang
    [[ ! $tests ]] || printf '%s\n' libgtest-dev libgmock-dev libssl-dev
}

# Whether what is to be built includes tests.
wants_tests() {
    (($# > 0)) || return 0
    local target
    for target in "$@"; do
        [[ $target != *test* && $target != bench_* ]] || return 0
    done
    return 1
}

configure() {
    local -a settings=()
    if [[ -f $dir/build.ninja ]]; then
        # Ninja repeats the configuration by itself when it has to; only the
        # tests may be missing, left out by an earlier run for a program.
        [[ $tests ]] && grep -q '^IPIP_TESTS:BOOL=OFF' "$dir/CMakeCache.txt" || return 0
    fi
    settings+=("-DIPIP_TESTS=${tests:-OFF}" -DCMAKE_C_COMPILER_LAUNCHER=ccache -DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
    say "configuring $dir"
    hint=' (the first time takes a minute or two)'
    run cmake --preset "$preset" "${settings[@]}"
}

case ${1-} in
    --help | -h) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit ;;
    -*) say "unknown option $1; try --help" && exit 2 ;;
esac
preset=${1:-release}
(($# == 0)) || shift
grep -q "\"name\": \"$preset\"" CMakePresets.json || {
    say "there is no preset $preset in CMakePresets.json"
    exit 2
}
dir=build/$preset
tests='' hint=''
! wants_tests "$@" || tests=ON

mapfile -t needed < <(packages)
test/install.sh "${needed[@]}"

# Two builds at once in one directory would spoil each other's work.
mkdir -p "$dir"
exec {lock}<"$dir"
flock "$lock"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# What any clone has compiled before is taken from there.
export CCACHE_DIR=${CCACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/ipip-cni/ccache} CCACHE_MAXSIZE=${CCACHE_MAXSIZE:-2G}
export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1

configure
target=()
(($# == 0)) || target=(--target "$@")
say "compiling ${*:-everything} in $dir$hint"
run cmake --build --preset "$preset" "${target[@]}"
