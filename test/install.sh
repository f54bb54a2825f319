#!/bin/bash
# Makes sure that Debian packages are installed.
#
#   test/install.sh PACKAGE...
#
# Silent, quick and without any right needed when they all are.
set -euo pipefail

# Seconds to wait for another apt or dpkg, for instance the nightly upgrade.
readonly patience=600

die() {
    printf 'install.sh: %s\n' "$@" >&2
    exit 1
}

# Fills the array "missing" with those of the arguments that are not installed.
find_missing() {
    local name state
    local -A installed=()
    while read -r name state; do
        [[ $state != installed ]] || installed[$name]=1
    done < <(dpkg-query --show --showformat '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null)
    missing=()
    for name in "$@"; do
        [[ ${installed[$name]-} ]] || missing+=("$name")
    done
}

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get --quiet --yes --no-install-recommends \
        -o "DPkg::Lock::Timeout=$patience" -o Dpkg::Use-Pty=0 "$@" </dev/null {lock}>&-
}

(($# > 0)) || die 'usage: test/install.sh PACKAGE...'
command -v dpkg-query >/dev/null || die 'this needs a Debian system (there is no dpkg-query).'

find_missing "$@"
((${#missing[@]} > 0)) || exit 0
((EUID == 0)) || die "these packages are missing: ${missing[*]}" \
    "run as root: apt-get install --no-install-recommends ${missing[*]}"

# DPkg::Lock::Timeout does not cover the lock of the package lists, so calls of
# this script queue up here; the one that waited may find the work done.
exec {lock}</var/lib/apt
flock --timeout "$patience" "$lock" || die 'another install.sh is still busy; try again later.'
find_missing "$@"
((${#missing[@]} > 0)) || exit 0

echo "install.sh: installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A failing update is not the end: it may be about some other archive.
apt update >"$log" 2>&1 || true
if ! apt install "${missing[@]}" >>"$log" 2>&1; then
    cat "$log" >&2
    die "apt could not install: ${missing[*]}" \
        "mend what it says above (names, sources, network), then run: apt-get update && apt-get install ${missing[*]}"
fi
