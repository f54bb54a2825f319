# shellcheck shell=bash disable=SC2034 # what uses it is in the files that source this
# Two nodes on one wire, each as a container runtime wants it, and checks on them.
# For containerd.sh, podman.sh and libcni.sh, which source it.
#
# A node is a host of demo/hosts.sh with a mount namespace of its own: the machine's
# files, but for /etc/cni, /opt, /run, /var/lib and /dev/shm. So two runtimes run as they
# would on two machines, with the same paths in the same configuration.

runtimes=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
root=$(readlink -f "$runtimes/../..")
# What run.sh built.
built=$root/build/runtimes
plugin=$root/build/release/bin/ipip
image=localhost/busybox:1

# shellcheck source=test/demo/hosts.sh
. "$root/test/demo/hosts.sh"

# Where the runtimes find the network configuration, a list.
conflist=/etc/cni/net.d/10-podnet.conflist
# What it is on every node, made by make_nodes.
list=''

# As examples/two-hosts.json has it.
nodes=(host1 host2)
declare -rA underlay=([host1]=172.16.5.126 [host2]=172.16.5.127)
declare -rA endpoint=([host1]=10.10.100.10 [host2]=10.10.200.10)
declare -rA prefix=([host1]=10.10.100 [host2]=10.10.200) # of the pods, a /24
# The pods that play in every scene.
declare -rA pod_on=([host1]=web [host2]=db)

# What the pods run: it says that it runs, and serves busybox itself, something to transfer.
port=5000
server=(/bin/busybox sh -c "echo running; exec busybox nc -ll -p $port -e /bin/busybox cat /bin/busybox")

# Seconds to wait for another process to do what it must.
patience=60

# The process that keeps a node's mount namespace.
declare -A keeper=()

notes=/run/notes # what the kernel had, before and after
output=/run/output
passed=0 failed=0

# heading WORDS
heading() {
    printf '\n== %s (%d s)\n' "$1" "$SECONDS"
}

# check WHAT COMMAND...: notes whether the command succeeds; what it says matters only
# if not.
check() {
    local what=$1 verdict=ok started=${EPOCHREALTIME/./} took
    shift
    "$@" >"$output" 2>&1 || verdict=FAIL
    took=$(((${EPOCHREALTIME/./} - started) / 100000))
    printf '%-4s %5s s  %s\n' "$verdict" "$((took / 10)).$((took % 10))" "$what"
    if [[ $verdict == ok ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        sed 's/^/      | /' "$output"
    fi
}

# launch COMMAND...: runs it for each node, which it gets as its last word, at once.
declare -A launched=()
launch() {
    local node
    for node in "${nodes[@]}"; do
        "$@" "$node" >"$notes/$node.said" 2>&1 &
        launched[$node]=$!
    done
}

# landed NODE: returns the status of what was launched, and prints what it said.
landed() {
    local status=0
    wait "${launched[$1]}" || status=$?
    cat "$notes/$1.said"
    return "$status"
}

# reap PID: waits for a process that was killed, which the shell would comment on.
reap() {
    wait "$1" 2>/dev/null || true
}

# refuse PATTERN COMMAND...: succeeds if the command fails and says so.
refuse() {
    local pattern=$1 said status=0
    shift
    said=$("$@" 2>&1) || status=$?
    printf 'exit status %d: %s\n' "$status" "$said"
    ((status != 0)) && [[ $said =~ $pattern ]]
}

contains() {
    printf '%s\n' "$1"
    [[ $1 == *"$2"* ]]
}

# verdict WHAT
verdict() {
    printf '\n%s: %d passed, %d failed, %d s\n' "$1" "$passed" "$failed" "$SECONDS"
    ((failed == 0 && passed > 0))
}

# enter NODE COMMAND...: becomes a process of that node. In the background, so that its
# process ID is that of the command.
enter() {
    exec nsenter --net="/run/netns/$1" --mount="/proc/${keeper[$1]}/ns/mnt" -- "${@:2}"
}

# at NODE COMMAND...: runs it as a process of that node.
at() {
    (enter "$@")
}

make_node() {
    local name=$1 ready
    make_host "$name" "${underlay[$name]}/24"
    # shellcheck disable=SC2016 # the inner shell expands it
    exec {ready}< <(exec unshare --mount bash -c '
        set -e
        mount -t tmpfs -o mode=755 tmpfs /run
        mkdir -p /run/{netns,etc/upper,etc/work}
        mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work overlay /etc
        mount -t tmpfs -o mode=755 tmpfs /opt
        mount -t tmpfs -o mode=755 tmpfs /var/lib
        mount -t tmpfs -o mode=1777 tmpfs /dev/shm
        rm -rf /etc/cni
        mkdir -p /etc/cni/net.d /opt/cni/bin
        ln -s "$1" /usr/lib/cni/* /opt/cni/bin
        echo ready
        exec sleep infinity' "$name" "$plugin")
    keeper[$name]=$!
    read -r -u "$ready"
}

# files NODE: prints where the node's files are seen from outside.
files() {
    echo "/proc/${keeper[$1]}/root"
}

# make_nodes FILTER: two of them, which share a network configuration. The filter, of jq,
# makes it from a list at version 1.0.0 with our plugin in it.
make_nodes() {
    local node
    mkdir "$notes"
    make_wire
    list=$(jq '{cniVersion: "1.0.0", name, plugins: [del(.name, .cniVersion)]}' "$root/examples/two-hosts.json")
    list=$(jq "$1" <<<"$list")
    for node in "${nodes[@]}"; do
        make_node "$node"
        edit "$node" .
    done
}

# edit NODE FILTER: gives the node that variation of the network configuration, by a
# rename: a runtime may be watching.
edit() {
    local file
    file=$(files "$1")$conflist
    jq "$2" <<<"$list" >"$file.new"
    mv "$file.new" "$file"
}

# look WHEN: notes what the kernel has on the nodes, to compare.
look() {
    local node jobs=() job
    for node in "${nodes[@]}"; do
        snapshot "$node" >"$notes/$node.$1" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job"
    done
}

# no_lease NODE: whether the node's lease store has no owner of anything.
no_lease() {
    local file line
    for file in "$(files "$1")"/run/ipip-cni/leases-*.mdb; do
        [[ -e $file ]] || continue
        # A copy, as mdb_dump leaves a file beside what it reads.
        cp "$file" "$output.leases"
        mdb_dump -n -p "$output.leases" >"$output.keys" || return
        while IFS= read -r line; do
            # The keys are described in ipam/lease_table.h: this one is of an owner.
            [[ $line != ' o'* ]] || { echo "held: $line" && return 1; }
        done <"$output.keys"
    done
}

# nothing_left WHEN: checks that the nodes are as they were before.
nothing_left() {
    local node
    look after
    for node in "${nodes[@]}"; do
        check "$1, $node has the links, addresses, routes, rules and nftables of before" \
            diff "$notes/$node.before" "$notes/$node.after"
        check "$1, $node holds no lease" no_lease "$node"
    done
}

# of_node NODE ADDRESS: whether the address is one for that node's pods.
of_node() {
    echo "$2"
    [[ $2 =~ ^${prefix[$1]//./\\.}\.[0-9]+$ && $2 != "${endpoint[$1]}" ]]
}

# fetch ADDRESS PORT: prints a command of busybox that gets what is served there, which may
# be about to begin, and prints its sum.
fetch() {
    echo "tries=10; until busybox nc -w 5 $1 $2 </dev/null || [ \$((tries -= 1)) = 0 ]
        do busybox sleep 0.5; done | busybox md5sum"
}

# serves ADDRESS PORT COMMAND...: whether the command's busybox gets all of busybox there.
serves() {
    local got
    got=$("${@:3}" /bin/busybox sh -c "$(fetch "$1" "$2")")
    contains "$got" "$(md5sum </bin/busybox)"
}

# reach WHO WHOM ADDRESS COMMAND...: checks that a pod, in which the command runs what
# follows it, reaches another at that address.
reach() {
    local answer=''
    check "$1 reaches $2 by ping" ping_and_fetch "${@:3}"
    check "$1 gets 2 MB from $2 by TCP" contains "$answer" "$(md5sum </bin/busybox)"
}

# Both in one, as it can take seconds to run something in a pod.
ping_and_fetch() {
    answer=$("${@:2}" /bin/busybox sh -c "busybox ping -c 1 -W 5 $1; $(fetch "$1" "$port")" 2>&1) || true
    contains "$answer" ' 1 packets received'
}

# tunnelled NODE PACKETS: whether the node's tunnel has sent so many.
tunnelled() {
    local found
    found=$(ip -n "$1" -s -j link show type ipip)
    jq --argjson least "$2" -e '
        [.[] | select(.ifname | startswith("ipip-")) | .stats64.tx.packets]
        | . != [] and add >= $least' <<<"$found"
}
