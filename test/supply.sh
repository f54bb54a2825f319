#!/usr/bin/env bash
# What the programs are made of, and whether anybody can make the same:
#
#   test/supply.sh
#
# Builds the release twice, in two folders, and compares; looks for hardening; writes what is linked in to
# build/sbom.spdx.json.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

readonly static=(ipip ipip-ipam ipipctl) dynamic=(ipipd)
readonly programs=("${static[@]}" "${dynamic[@]}")

fail() {
    echo "supply.sh: $*" >&2
    exit 1
}

# expect PROGRAM WHAT PATTERN: something that readelf(1) shows.
expect() {
    local shown # whole: a reader that stops early would end readelf
    shown=$(readelf --wide --file-header --program-headers --dynamic "$bin/$1")
    grep -qE "$3" <<<"$shown" || fail "$1 has no $2"
}

test/install.sh binutils git python3
test/build.sh release "${programs[@]}"
bin=build/release/bin

elsewhere=$(mktemp --directory)
trap 'rm -rf "$elsewhere"' EXIT
git ls-files -z | xargs -0 cp --parents --target-directory="$elsewhere"
(cd "$elsewhere" && CCACHE_DISABLE=1 test/build.sh release "${programs[@]}")
for program in "${programs[@]}"; do
    for place in . "$elsewhere"; do
        strip -o "$elsewhere/$program.stripped" "$place/$bin/$program"
        sha256sum <"$elsewhere/$program.stripped"
    done | sort -u >"$elsewhere/hashes"
    (($(wc -l <"$elsewhere/hashes") == 1)) || fail "$program: two builds, two hashes"
    echo "$program: two builds, one hash: $(cut -c-64 "$elsewhere/hashes")"
done

for flag in -fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2; do
    ! grep '"command"' "$elsewhere/build/release/compile_commands.json" | grep --invert-match --fixed-strings -- " $flag " ||
        fail "this is compiled without $flag"
done
for program in "${programs[@]}"; do
    expect "$program" 'stack that is not executable' 'GNU_STACK .* RW '
    expect "$program" 'read-only relocations' 'GNU_RELRO'
done
for program in "${dynamic[@]}"; do
    expect "$program" 'random place (PIE)' 'Type: +DYN'
    expect "$program" 'binding at the start' 'BIND_NOW'
done
echo "hardened: ${programs[*]}"

python3 test/supply.py build/sbom.spdx.json "$(git rev-parse HEAD)" "$elsewhere/build/release" "${programs[@]/#/$bin/}"
