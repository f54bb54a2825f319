#!/usr/bin/env bash
# podman 4.3, with CNI as its network backend. Needs root and a kernel that has ipip;
# run.sh brings the rest.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=test/runtimes/scene.sh
. "$here/scene.sh"

readonly wanted_address=10.10.200.77 wanted_mac=02:00:00:00:00:77 # by db
# Of each node's pod, as podman tells.
declare -A address=() gateway=() mac=() netns=() conmon=() process=()

configure() {
    cat >"$(files "$1")/run/containers.conf" <<END
[network]
network_backend = "cni"
cni_plugin_dirs = ["/opt/cni/bin"]
default_network = "podnet"
[engine]
# Takes control groups of both versions, mixed as well.
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
[containers]
log_driver = "none"
# Not every machine's root may raise them.
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
END
}

podman_at() {
    at "$1" env CONTAINERS_CONF=/run/containers.conf STORAGE_DRIVER=vfs podman "${@:2}"
}

import_image() {
    podman_at "$1" load --input "$built/image.tar"
}

# start NODE: runs its pod, and asks for what is known of it.
start() {
    local pod=${pod_on[$1]} options=() format
    [[ $pod != db ]] || options=(--ip "$wanted_address" --mac-address "$wanted_mac")
    podman_at "$1" run --detach --name "$pod" "${options[@]}" "$image" "${server[@]}" || return
    format='{{with .NetworkSettings.Networks.podnet}}{{.IPAddress}} {{.Gateway}} {{.MacAddress}}{{end}}'
    format+=' {{.NetworkSettings.SandboxKey}} {{.State.ConmonPid}} {{.State.Pid}}'
    podman_at "$1" inspect --format "$format" "$pod"
}

start_both() {
    local node pod
    launch start
    for node in "${nodes[@]}"; do
        pod=${pod_on[$node]}
        check "podman runs $pod on $node" landed "$node"
        read -r "address[$pod]" "gateway[$pod]" "mac[$pod]" "netns[$pod]" "conmon[$pod]" "process[$pod]" \
            < <(tail -n 1 "$notes/$node.said") || true
        check "podman tells an address of $node's pods" of_node "$node" "${address[$pod]}"
        check "podman tells $node's endpoint as the gateway" contains "${gateway[$pod]}" "${endpoint[$node]}"
    done
    check 'db has the address that it was to have' contains "${address[db]}" "$wanted_address"
    check 'db has the MAC address that it was to have' contains "${mac[db]}" "$wanted_mac"
}

in_pod() {
    podman_at "$1" exec "$2" "${@:3}"
}

remove() {
    podman_at "$1" rm --force --time 0 "${pod_on[$1]}"
}

remove_both() {
    local node
    launch remove
    for node in "${nodes[@]}"; do
        check "podman removes ${pod_on[$node]}" landed "$node"
    done
}

scene() {
    heading 'a pod on each node'
    start_both
    reach web db "${address[db]}" in_pod host1 web
    check 'the way there is a tunnel' tunnelled host1 10
    remove_both
    nothing_left 'without pods'
}

# kill_pod POD: and what podman has to look after it, which would clean up.
kill_pod() {
    kill -KILL "${conmon[$1]}"
    kill -KILL "${process[$1]}"
}

# collect NODE: the plugin's own GC, with no attachment valid; this podman has none.
collect() {
    local request
    request=$(jq -c '.plugins[0] + {name, cniVersion: "1.1.0", "cni.dev/valid-attachments": []}' <<<"$list")
    at "$1" env CNI_COMMAND=GC CNI_PATH=/opt/cni/bin /opt/cni/bin/ipip <<<"$request"
}

# For a pod whose namespace is gone podman calls no plugin.
crash() {
    heading 'conmon and pods are killed, the namespace of one is gone'
    start_both
    check 'web ends' kill_pod web
    check 'db ends' kill_pod db
    check "db's network namespace goes" at host2 sh -c "umount ${netns[db]} && rm ${netns[db]}"
    remove_both
    check "a garbage collection frees what podman left of db" collect host2
    nothing_left 'after that'
}

main() {
    local node
    heading 'podman on two nodes'
    make_nodes '.plugins[0].capabilities = {ips: true}'
    look before
    for node in "${nodes[@]}"; do
        configure "$node"
    done
    launch import_image
    for node in "${nodes[@]}"; do
        check "podman of $node imports the image" landed "$node"
    done
    scene
    crash
    verdict podman
}

case ${1-} in
    --inside) main ;;
    *) isolate "$0" --inside ;;
esac
