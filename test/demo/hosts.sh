# shellcheck shell=bash
# Hosts and pods out of namespaces, and the plugin called on them as a runtime
# would. For demo/scene.sh and cni.sh, which source it.
#
# A host is a network namespace, with an interface u0 on a wire that all hosts
# share, and whatever runs on it has a /run/ipip-cni of its own: so the same
# configuration serves all of them, as it does on real machines. A pod is a network
# namespace. They bear their names as "ip netns" shows them.

# Holds a directory for each host: its /run/ipip-cni.
hosts=/run/ipip-cni-hosts

# isolate COMMAND...: runs it where everything it makes, processes too, is gone
# when it ends, however it ends; and with an empty /run. Returns its exit status. For what
# it leaves in files there may be a command in the variable "after_isolation".
isolate() {
    local scene=''
    # In the background, as bash waits for it only there without deferring traps.
    # shellcheck disable=SC2016  # the inner shell expands it
    unshare --mount --net --pid --fork --kill-child --mount-proc \
        bash -c 'mount -t tmpfs -o mode=755 tmpfs /run && exec "$@"' isolate "$@" &
    scene=$!
    # shellcheck disable=SC2064  # the process is this one, whatever the name means later
    trap "kill -KILL $scene 2>/dev/null || true; ${after_isolation-}" EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    wait "$scene"
}

# bring_up NAMESPACE DEVICE [WORDS of ip link set]: without IPv6 addresses of the
# kernel's own, which come late and would be noise in every comparison. That must be
# said before the device is up.
bring_up() {
    ip -n "$1" -batch - <<END
link set dev $2 addrgenmode none ${*:3}
link set dev $2 up
END
}

make_wire() {
    mkdir -p "$hosts" /run/ipip-cni
    ip -batch - <<'END'
netns add wire
link add name wire netns wire type bridge
END
    bring_up wire wire
}

# make_host NAME ADDRESS/LENGTH
make_host() {
    local name=$1 address=$2
    ip -batch - <<END
netns add $name
link add name u0 netns $name type veth peer name $name netns wire
END
    bring_up wire "$name" master wire
    bring_up "$name" u0
    ip -n "$name" -batch - <<END
link set dev lo up
address add $address dev u0
END
    mkdir "$hosts/$name"
}

# make_pods NAME...: as a runtime hands them over, with a loopback device that is up.
make_pods() {
    local name
    printf 'netns add %s\n' "$@" | ip -batch -
    for name in "$@"; do
        ip -n "$name" link set dev lo up
    done
}

# on NAME COMMAND...: runs it in a host's or pod's network namespace.
on() {
    nsenter --net="/run/netns/$1" "${@:2}"
}

# on_host NAME COMMAND...: runs it with all that makes a host. To call the plugin as a
# runtime on the host does: with the variables CNI_* exported, the configuration on
# standard input.
on_host() {
    # It comes with a mount namespace. One that stays would have to be pinned to a
    # file, which Linux 6.18 refuses or not depending on the CPU.
    # shellcheck disable=SC2016  # the inner shell expands it
    ip netns exec "$1" sh -c 'mount --bind "$0" /run/ipip-cni && exec "$@"' "$hosts/$1" "${@:2}"
}

# snapshot NAME: what the kernel has in a network namespace, a line each, without
# what comes and goes by itself: "link", "address", "route", "rule" or "neighbour" and
# the words of "ip", with "\" where it begins a new line; "sysctl" and settings of
# a device; "nft" and a line of the ruleset. Fails where it cannot look.
snapshot() {
    local line lines kind
    lines=$(ip -n "$1" -o -d -batch - <<'END'
link show
address show
route show table all
rule show
neighbour show nud permanent
netconf show
END
    ) || return
    while IFS= read -r line; do
        line=${line//$'\t'/ }
        case $line in
            # The ipip module puts it into every namespace, and no one here uses it.
            *' tunl0'[@\ ]* | 'inet'*' tunl0 '*) continue ;;
            # Made by the kernel along with every address.
            *' table local '*) continue ;;
            *': <'*' mtu '*) kind='link' ;;
            [0-9]*': from '* | *:' from '*) kind=rule ;;
            [0-9]*': '*' inet'*) kind=address ;;
            inet*' forwarding '*) kind=sysctl ;;
            *' lladdr '*) kind=neighbour ;;
            *) kind=route ;;
        esac
        trim "$kind" "$line"
    done <<<"$lines"
    lines=$(on "$1" nft list ruleset) || return
    while IFS= read -r line; do
        [[ ! $line ]] || printf 'nft %s\n' "${line//$'\t'/    }"
    done <<<"$lines"
}

# Prints a line of a snapshot with what matters.
trim() {
    local kind=$1 line=$2 found
    case $kind in
        link | address) line=${line#*: } ;;&
        link)
            # The state follows the other end some time later.
            line=${line/,LOWER_UP/} line=${line/,M-DOWN/} line=${line/NO-CARRIER,/}
            [[ ! $line =~ ^([^\\]* mtu [0-9]+)[^\\]*(.*)$ ]] || line=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
            for found in ' promiscuity [^\\]*' ' addrgenmode [^\\]*' ' numtxqueues [^\\]*' '\\ *bridge_slave[^\\]*'; do
                [[ ! $line =~ $found ]] || line=${line/"${BASH_REMATCH[0]}"/}
            done
            ;;
        address) line=${line%%\\*} line=${line/    inet/ inet} ;;
        route) line=${line#unicast } line=${line/ table main/} ;;
        sysctl)
            [[ $line =~ ^inet(6?)\ (.*)\ (forwarding\ [a-z]+)(\ rp_filter\ [a-z]+)? ]]
            line="net.ipv${BASH_REMATCH[1]:-4}.conf.${BASH_REMATCH[2]}: ${BASH_REMATCH[3]}${BASH_REMATCH[4]}"
            ;;
    esac
    while [[ $line == *' ' ]]; do line=${line% }; done
    printf '%s %s\n' "$kind" "$line"
}
