#!/usr/bin/env bash
# containerd 1.6, by its own client and by the Container Runtime Interface. Needs root
# and a kernel that has ipip; run.sh brings the rest.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=test/runtimes/scene.sh
. "$here/scene.sh"

readonly socket=/run/containerd/containerd.sock
readonly host_port=8080

# Of each node its containerd; of each pod ctr and what it says, or its sandbox and
# container, and its address.
declare -A daemon=() client=() said=() sandbox=() container=() address=()

configure() {
    cat >"$(files "$1")/run/containerd.toml" <<END
version = 2
# Only what starts slowly.
disabled_plugins = ["io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$image"
  # Not every machine's root may lower it.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    # Others cannot lie on what the virtual machine has as its root.
    snapshotter = "native"
END
}

# start NODE: its containerd, which takes calls some time later.
start() {
    enter "$1" containerd --config /run/containerd.toml >>"/run/containerd-$1.log" 2>&1 &
    daemon[$1]=$!
}

crash() {
    kill -KILL "${daemon[$1]}"
    reap "${daemon[$1]}"
}

ctr_at() {
    at "$1" ctr "${@:2}"
}

cri_at() {
    at "$1" "$here/cri/pod.py" "$socket" "${@:2}"
}

import_image() {
    cri_at "$1" wait || return
    local name
    for name in default k8s.io; do
        ctr_at "$1" --namespace "$name" images import --snapshotter native "$built/image.tar" || return
    done
}

prepare() {
    local node
    make_nodes '.plugins += [{type: "portmap", capabilities: {portMappings: true}}]'
    look before
    for node in "${nodes[@]}"; do
        configure "$node"
        start "$node"
    done
    launch import_image
    for node in "${nodes[@]}"; do
        check "containerd starts on $node and imports the image" landed "$node"
    done
}

# start_by_ctr NODE: runs its pod. ctr takes a pod's network away only if it waits for
# the pod's end, so it goes on in the background.
start_by_ctr() {
    local pod=${pod_on[$1]} output
    exec {output}< <(enter "$1" ctr run --rm --cni --snapshotter native "$image" "$pod" "${server[@]}" 2>&1)
    client[$pod]=$! said[$pod]=$output
}

# await_running POD
await_running() {
    local line
    while IFS= read -r -t "$patience" -u "${said[$1]}" line; do
        echo "$line"
        [[ $line != running ]] || return 0
    done
    return 1
}

started_by_ctr() {
    local pod=${pod_on[$1]} result
    check "ctr runs $pod on $1" await_running "$pod"
    # libcni remembers it there.
    result=$(cat "$(files "$1")/var/lib/cni/results/podnet-default-$pod-eth0") || true
    address[$pod]=$(jq -r '.result.ips[0].address' <<<"$result") || true
    address[$pod]=${address[$pod]%/32}
    check "its result has an address of $1's pods" of_node "$1" "${address[$pod]}"
}

in_ctr() {
    ctr_at "$1" task exec --exec-id "$RANDOM" "$2" "${@:3}"
}

# end_by_ctr NODE: of its pod, and so of the client that waits for that.
end_by_ctr() {
    local pod=${pod_on[$1]}
    check "ctr ends $pod" ctr_at "$1" task kill --signal KILL "$pod"
    reap "${client[$pod]}"
}

ctr_scene() {
    local node
    heading 'ctr run --cni: a pod on each node'
    for node in "${nodes[@]}"; do
        start_by_ctr "$node"
    done
    for node in "${nodes[@]}"; do
        started_by_ctr "$node"
    done
    reach web db "${address[db]}" in_ctr host1 web
    check 'the way there is a tunnel' tunnelled host1 10
    for node in "${nodes[@]}"; do
        end_by_ctr "$node"
    done
    nothing_left 'without pods'
}

ctr_crash() {
    heading 'ctr is killed, and so leaves a network behind'
    start_by_ctr host1
    started_by_ctr host1
    kill -KILL "${client[web]}"
    end_by_ctr host1
    check 'ctr removes the dead task' ctr_at host1 task delete web
    check 'ctr removes the dead container' ctr_at host1 container delete web
    check 'the tunnel stands for a pod that is gone' tunnelled host1 0
    start_by_ctr host1
    started_by_ctr host1
    end_by_ctr host1
    nothing_left 'after another pod of that name'
}

# start_by_cri [OPTION of pod.py run]... NODE: runs its pod.
start_by_cri() {
    local node=${*: -1}
    cri_at "$node" run "${@:1:$#-1}" "${pod_on[$node]}" "$image" "${server[@]}"
}

started_by_cri() {
    local pod=${pod_on[$1]}
    check "RunPodSandbox, CreateContainer, StartContainer of $pod on $1" landed "$1"
    read -r "sandbox[$pod]" "container[$pod]" "address[$pod]" <"$notes/$1.said" || true
    check "PodSandboxStatus has an address of $1's pods" of_node "$1" "${address[$pod]}"
}

in_cri() {
    cri_at "$1" exec "${container[$2]}" "${@:3}"
}

end_by_cri() {
    cri_at "$1" remove "${sandbox[${pod_on[$1]}]}"
}

# ended_by_cri: on all nodes.
ended_by_cri() {
    local node
    launch end_by_cri
    for node in "${nodes[@]}"; do
        check "StopPodSandbox, RemovePodSandbox of ${pod_on[$node]}" landed "$node"
    done
}

# forget_portmap: the chains that portmap makes stay, as it means them to; what it put
# into them must not.
forget_portmap() {
    local node rules
    for node in "${nodes[@]}"; do
        rules=$(on "$node" nft list ruleset)
        echo "$rules"
        [[ $rules != *"$host_port"* ]] || return
        on "$node" nft -f - <<'END' || return
table ip nat
delete table ip nat
table ip6 nat
delete table ip6 nat
END
    done
}

cri_scene() {
    local node
    heading 'the Container Runtime Interface: a pod on each node, with a port on the node'
    launch start_by_cri --port "$host_port:$port"
    for node in "${nodes[@]}"; do
        started_by_cri "$node"
    done
    reach web db "${address[db]}" in_cri host1 web
    check 'the way there is a tunnel' tunnelled host1 10
    check "host2 gets 2 MB from web's port on host1" serves "${underlay[host1]}" "$host_port" on host2
    check "host1 gets 2 MB from web's port on itself" serves "${underlay[host1]}" "$host_port" on host1
    check "host1 gets 2 MB from web's port on localhost" serves 127.0.0.1 "$host_port" on host1

    heading 'containerd of host1 is killed, its pod runs on'
    crash host1
    start host1
    check 'containerd starts again' cri_at host1 wait
    reach web db "${address[db]}" in_cri host1 web
    ended_by_cri
    check 'portmap has no rule left' forget_portmap
    nothing_left 'without pods'
}

# Ends host1's pod as a breakdown does: all its processes, and its network namespace.
destroy_pod() {
    local pid shim pids
    pids=$(ctr_at host1 --namespace k8s.io task ls | sed -nE 's/^[0-9a-f]+ +([0-9]+) .*/\1/p')
    crash host1
    for pid in $pids; do
        # The parent of what runs in a container is the shim that looks after it.
        read -r _ _ _ shim _ <"/proc/$pid/stat"
        kill -KILL "$shim" "$pid"
    done
    at host1 sh -c 'umount /run/netns/* && rm /run/netns/*'
}

cri_crash() {
    heading 'containerd of host1 is killed, its pod too, and the namespace is gone'
    launch start_by_cri
    started_by_cri host1
    started_by_cri host2
    check 'all of it ends' destroy_pod
    start host1
    check 'containerd starts again' cri_at host1 wait
    ended_by_cri
    nothing_left 'after that'
}

# containerd 1.6 does not know version 1.1.0, but hears of that only from the result.
newer() {
    heading 'a list at version 1.1.0'
    edit host1 '.cniVersion = "1.1.0" | .plugins |= .[:1]'
    check 'ctr runs no pod' refuse 'unsupported CNI result version "1.1.0"' \
        ctr_at host1 run --rm --cni --snapshotter native "$image" web "${server[@]}"
    nothing_left 'after that'
}

main() {
    heading 'containerd on two nodes'
    prepare
    ((failed == 0)) || give_up
    ctr_scene
    ctr_crash
    cri_scene
    cri_crash
    newer
    ((failed == 0)) || show_logs
    verdict containerd
}

show_logs() {
    local node
    for node in "${nodes[@]}"; do
        printf '\nlast words of containerd on %s:\n' "$node"
        tail -n 40 "/run/containerd-$node.log" | cut -c 1-500
    done
}

# Without a runtime each further call would wait for it.
give_up() {
    show_logs
    verdict containerd
    exit 1
}

case ${1-} in
    --inside)
        export PYTHONPATH=$built
        main
        ;;
    *) isolate "$0" --inside ;;
esac
