#!/usr/bin/env bash
# libcni, the library that runtimes call plugins by, in its newest version, with a client
# of our own: all verbs, in order and out of it. Needs root and a kernel that has ipip;
# run.sh brings the rest.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=test/runtimes/scene.sh
. "$here/scene.sh"

readonly versions=(0.1.0 0.2.0 0.3.0 0.3.1 0.4.0 1.0.0 1.1.0)
readonly cache=/var/lib/cni/results # where libcni remembers results

# Error codes, see docs/errors.md.
readonly bad_key=7 not_available=50 limited=51 no_address=101 not_as_added=106

result='' # of the last ADD
declare -A address=([web]='' [db]='' [shop]='' [brief]='')

# cni NODE [OPTION]... LIST VERB [WORD]...
cni() {
    at "$1" "$built/cni" "${@:2}"
}

# make_pod NODE NAME: a network namespace, as runtimes hand it over.
make_pod() {
    at "$1" ip netns add "$2"
    in_pod "$1" "$2" ip link set lo up
}

remove_pod() {
    at "$1" ip netns delete "$2"
}

in_pod() {
    nsenter --net="$(files "$1")/run/netns/$2" "${@:3}"
}

# add NODE POD [OPTION]...
add() {
    result=$(cni "$1" "${@:3}" "$conflist" add "$2" "/run/netns/$2") || return
    echo "$result"
    address[$2]=$(jq -r '.ips[0].address // .ip4.ip' <<<"$result")
    address[$2]=${address[$2]%/32}
}

# call NODE VERB [WORD]...
call() {
    cni "$1" "$conflist" "${@:2}"
}

# verb NODE VERB POD
verb() {
    call "$1" "$2" "$3" "/run/netns/$3"
}

# code NUMBER COMMAND...: succeeds if the plugin refuses with that error.
code() {
    refuse "code $1: " "${@:2}"
}

# result_has FILTER
result_has() {
    echo "$result"
    jq -e "$1" <<<"$result"
}

# attached POD: whether host1 has a link to that pod and to no other.
attached() {
    local found
    found=$(ip -n host1 -j link show type veth)
    jq -e --arg pod "$1" '[.[].ifalias // empty | select(startswith("podnet: "))]
        == ["podnet: " + $pod + " eth0"]' <<<"$found"
}

verbs() {
    heading 'STATUS, ADD, CHECK, GC, DEL'
    check 'STATUS of host1 before any pod' call host1 status
    check 'ADD of web on host1' add host1 web
    check "its result has an address of host1's pods" of_node host1 "${address[web]}"
    check "its result has host1's endpoint as the gateway" result_has ".ips[0].gateway == \"${endpoint[host1]}\""
    check 'its result has the sandbox and, as version 1.1.0 has it, the MTU' result_has \
        '.cniVersion == "1.1.0" and .interfaces[1].sandbox == "/run/netns/web" and .interfaces[1].mtu == 1480'
    check 'ADD of db on host2, asking for an address' add host2 db -capabilities '{"ips": ["10.10.200.77"]}'
    check 'it got that' contains "${address[db]}" 10.10.200.77
    in_pod host2 db "${server[@]}" >/dev/null &
    reach web db "${address[db]}" in_pod host1 web
    check 'the way there is a tunnel' tunnelled host1 10
    check 'STATUS of host1' call host1 status
    check 'CHECK of web' verb host1 check web
    check 'CHECK of db' verb host2 check db
    check 'GC that keeps web' call host1 gc web
    check 'CHECK of web' verb host1 check web
    check 'DEL of web' verb host1 del web
    check 'DEL of web once more' verb host1 del web
    check 'DEL of db' verb host2 del db
    nothing_left 'without pods'
}

garbage() {
    heading 'GC takes what is not valid'
    check 'ADD of web' add host1 web
    check 'GC that keeps nothing' call host1 gc
    nothing_left 'after that'
    check 'ADD of web' add host1 web
    check 'ADD of shop' add host1 shop
    at host1 rm -r "$cache"
    check 'GC that keeps web, where libcni has forgotten both' call host1 gc web
    check 'there is a link to web only' attached web
    check 'GC that keeps nothing, where libcni has forgotten all' call host1 gc
    nothing_left 'after that'
}

faults() {
    local tunnel
    heading 'CHECK and STATUS tell what is wrong'
    check 'ADD of web' add host1 web
    in_pod host1 web ip route delete default
    check 'CHECK misses the default route' code $not_as_added verb host1 check web
    in_pod host1 web ip route add default via "${endpoint[host1]}" dev eth0
    check 'CHECK of web, the route put back' verb host1 check web
    in_pod host1 web ip address delete "${address[web]}/32" dev eth0
    check 'CHECK misses the address' code $not_as_added verb host1 check web
    check 'DEL of web' verb host1 del web
    check 'ADD of web' add host1 web

    tunnel=$(ip -n host1 -o link show type ipip)
    [[ $tunnel =~ ipip-[^@]* ]]
    ip -n host1 link delete "${BASH_REMATCH[0]}"
    check 'CHECK misses the tunnel' code $not_as_added verb host1 check web
    check 'STATUS misses the tunnel' code $limited call host1 status
    check 'ADD of shop' add host1 shop
    check 'STATUS after that' call host1 status
    check 'CHECK of web after that' verb host1 check web
    check 'DEL of shop' verb host1 del shop

    at host1 rm -r "$cache"
    check 'CHECK wants the result that libcni has forgotten' code $bad_key verb host1 check web
    check 'DEL of web without it' verb host1 del web
    nothing_left 'after that'
}

# A network of one node with one address for pods.
full_range() {
    local -r filter='.name = "small" | .plugins[0].nodes = [.plugins[0].nodes[0] |
        .podCIDRs = ["10.10.101.0/30"] | .tunnelAddresses = ["10.10.101.1"]]'
    heading 'a range that is full'
    edit host1 "$filter"
    check 'STATUS' call host1 status
    check 'ADD of web' add host1 web
    check 'STATUS says that there is no address left' code $not_available call host1 status
    check 'ADD of shop is refused' code $no_address add host1 shop
    check 'DEL of web' verb host1 del web
    check 'STATUS after that' call host1 status
    nothing_left 'after that'
    edit host1 .
}

changes() {
    heading 'changes between ADD and DEL'
    check 'ADD of web' add host1 web
    edit host1 '.cniVersion = "1.0.0"'
    check 'CHECK of web, the list turned back to version 1.0.0' verb host1 check web
    check 'DEL of web' verb host1 del web
    edit host1 .
    make_pod host1 brief
    check 'ADD of brief' add host1 brief
    remove_pod host1 brief
    check 'DEL of brief, whose namespace is gone' verb host1 del brief
    make_pod host1 brief
    check 'ADD of brief' add host1 brief
    remove_pod host1 brief
    check 'GC that does not keep brief, whose namespace is gone' call host1 gc
    nothing_left 'after that'
}

all_versions() {
    local version
    heading 'every version'
    for version in "${versions[@]}"; do
        edit host1 ".cniVersion = \"$version\""
        check "ADD at version $version" add host1 web
        check "its result is at version $version" result_has ".cniVersion == \"$version\""
        [[ $version < 0.4.0 ]] || check "CHECK at version $version" verb host1 check web
        check "DEL at version $version" verb host1 del web
    done
    nothing_left 'after that'
    edit host1 .
}

main() {
    heading 'libcni on two nodes'
    make_nodes '.cniVersion = "1.1.0" | .plugins[0].capabilities = {ips: true}'
    make_pod host1 web
    make_pod host1 shop
    make_pod host2 db
    look before
    verbs
    garbage
    faults
    full_range
    changes
    all_versions
    verdict libcni
}

case ${1-} in
    --inside) main ;;
    *) isolate "$0" --inside ;;
esac
