# shellcheck shell=bash disable=SC2034,SC2054,SC2154 # of cluster.sh, and for it
# The nodes' virtual machines, seen from outside. For ../cluster.sh, which sources it.
#
# Each has a directory that it shares with us: its settings, keys, images, logs, and the mail in
# which it gets commands. Its disk outlives it, as what a node keeps over a restart must. Their
# wire is a bridge in our network namespace, with a device for each of them.

machine_limit=14400 # seconds
[[ ! $keep ]] || machine_limit=604800
readonly machine_limit
# Seconds for a machine's start, until it takes commands, and for a command.
readonly start_patience=600 command_patience=300

# The process that runs a node's machine; none where it is off.
declare -A machine=()

make_wire() {
    local node
    ip link set lo up
    ip link add name wire type bridge
    ip link set wire up
    ip address add "$control_plane/24" dev wire
    for node in "${nodes[@]}"; do
        ip tuntap add "$node" mode tap
        ip link set "$node" master wire up
    done
    # All that the second node sends and gets, without most of what is in it.
    tcpdump -Z root -i node2 -s 128 -U -w "$dir/wire" >"$dir/log/tcpdump" 2>&1 &
}

make_disk() {
    truncate --size 4G "$dir/$1.disk"
    mkfs.ext4 -q "$dir/$1.disk"
}

# turn_on NODE
turn_on() {
    local node=$1 words
    rm -rf "$dir/$node/mail"
    mkdir "$dir/$node/mail"
    words=(-netdev "tap,id=wire,ifname=$node,script=no,downscript=no"
        -device "virtio-net-pci,netdev=wire,mac=52:54:00:10:05:0${node#node}"
        -drive "if=none,id=disk,file=$dir/$node.disk,format=raw,cache=unsafe"
        -device virtio-blk-pci,drive=disk)
    "$root/test/vm/run.sh" --cpus 2 --memory "$memory" --timeout "$machine_limit" \
        --log "$dir/$node/log/console" --share "$dir/$node" "${words[@]/#/--qemu=}" \
        -- "$here/cluster/node.sh" "$dir/$node" >>"$dir/$node/log/node" 2>&1 </dev/null &
    machine[$node]=$!
}

# turn_off NODE: at once, as a power cut does.
turn_off() {
    [[ ${machine[$1]-} ]] || return 0
    kill "${machine[$1]}" 2>/dev/null || true
    wait "${machine[$1]}" 2>/dev/null || true
    machine[$1]=''
}

is_on() {
    [[ ${machine[$1]-} ]] && kill -0 "${machine[$1]}" 2>/dev/null
}

takes_commands() {
    is_on "$1" || { tail -n 30 "$dir/$1/log/node" && return 1; }
    [[ -e $dir/$1/mail/open ]]
}

# on NODE COMMAND...: runs it as the node's root. Returns its status, prints what it says.
on() {
    local node=$1 mail=$dir/$1/mail letter=$BASHPID-${EPOCHREALTIME/./} begin=$SECONDS
    shift
    printf '%q ' "$@" >"$mail/$letter.draft"
    mv "$mail/$letter.draft" "$mail/$letter.job"
    until [[ -e $mail/$letter.status ]]; do
        is_on "$node" || { echo "$node is off" && return 1; }
        ((SECONDS - begin < command_patience)) || { echo "no answer of $node to: $*" && return 1; }
        sleep 0.1
    done
    cat "$mail/$letter.said"
    return "$(<"$mail/$letter.status")"
}
