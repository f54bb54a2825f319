# shellcheck shell=bash disable=SC2034,SC2154 # of cluster.sh, and for it
# What the steps look at. For ../cluster.sh, which sources it.

readonly agents=daemonset/ipipd
# Seconds for what takes an emulated processor long: a start of programs or pods.
readonly patience=1200
# Seconds in which the mesh must follow a change.
readonly soon=30

# condition NODE TYPE: prints the status of that condition, "none" where it has none.
condition() {
    ask "[.status.conditions[] | select(.type == \"$2\") | .status][0] // \"none\"" node "$1"
}

# has_condition NODE TYPE STATUS
has_condition() {
    same "$3" "$(condition "$1" "$2")"
}

# pod_of APP: prints the name of one of its running pods, the first by name.
pod_of() {
    ask '[.items[] | select(.metadata.deletionTimestamp == null and .status.phase == "Running")]
        | sort_by(.metadata.name)[0].metadata.name' pods --selector "app=$1"
}

# address_of POD
address_of() {
    ask .status.podIP pod "$1"
}

# cluster_ip SERVICE
cluster_ip() {
    ask .spec.clusterIP service "$1"
}

# agent_on NODE: prints the name of its agent's pod.
agent_on() {
    ask '[.items[] | select(.metadata.deletionTimestamp == null)][0].metadata.name' pods \
        --namespace kube-system --selector app.kubernetes.io/component=ipipd --field-selector "spec.nodeName=$1"
}

# in_pod POD COMMAND...
in_pod() {
    kubectl exec "$1" -- /bin/busybox "${@:2}"
}

# metric NODE NAME: what the agent there tells. The names are a regular expression; their values are
# added up.
metric() {
    on "$1" busybox wget -q -O - http://127.0.0.1:9094/metrics |
        awk -v name="^($2)\$" '$1 ~ name { sum += $2 } END { print sum + 0 }'
}

# tunnels NODE: prints the mesh's tunnel devices, each with its index, a line each.
tunnels() {
    on "$1" ip -o link show type ipip | sed -n 's/^\([0-9]*: ipip-[^@:]*\).*/\1/p'
}

# has_tunnels NODE NUMBER
has_tunnels() {
    local found
    found=$(tunnels "$1")
    same "$2" "$(grep -c . <<<"$found")"
}

# fetches POD HOST[:PORT] SOURCE...: whether the pod gets from there, byte for byte, what one of the
# pods SOURCE serves.
fetches() {
    local pod=$1 sum source
    sum=$(in_pod "$pod" sh -c "timeout 60 busybox wget -q -O - http://$2/data | sha256sum")
    for source in "${@:3}"; do
        [[ $sum != "$(in_pod "$source" sha256sum /srv/data | cut -d ' ' -f 1) "* ]] || return 0
    done
    echo "$pod got from $2 data of the sum $sum, which is of none of: ${*:3}"
    return 1
}

# host_fetches NODE POD: the same for the node itself.
host_fetches() {
    same "$(in_pod "$2" sha256sum /srv/data | cut -d ' ' -f 1)" \
        "$(on "$1" sh -c "timeout 60 busybox wget -q -O - http://$(address_of "$2"):8080/data | sha256sum" | cut -d ' ' -f 1)"
}

# pods_of APP: prints the names of its running pods.
pods_of() {
    ask '.items[] | select(.metadata.deletionTimestamp == null) | .metadata.name' pods --selector "app=$1"
}

# Whether every pod of the pod network has an address of its own, and of its node's CIDR.
has_addresses() {
    local pods cidrs
    cidrs=$(ask '[.items[] | {key: .metadata.name, value: (.spec.podCIDR | sub("[.]0/24$"; ""))}] | from_entries' nodes)
    pods=$(ask '[.items[] | select(.metadata.deletionTimestamp == null)
        | {name: .metadata.name, node: .spec.nodeName, ip: .status.podIP}]' pods)
    echo "$cidrs $pods"
    jq --exit-status --argjson cidrs "$cidrs" --argjson wanted "$1" '(length == $wanted)
        and ([.[].ip] | unique | length) == length
        and all(.[]; . as $pod | $pod.ip | startswith($cidrs[$pod.node] + "."))' <<<"$pods"
}

# on_wire FILTER: packets of that kind that went over the second node's wire, at most ten. What
# tcpdump says of a file that still grows does not matter.
on_wire() {
    tcpdump -Z root -n -r "$dir/wire" -c 10 "$1" 2>/dev/null || true
}

# seen_on_wire FILTER
seen_on_wire() {
    [[ $(on_wire "$1") ]] || { echo "no packet of: $1" && return 1; }
}

# is_rolled_out KIND/NAME: waits for it.
is_rolled_out() {
    kubectl --namespace "${2-default}" rollout status "$1" --timeout "${patience}s"
}

# Whether pods of both nodes reach each other, directly and by a Service.
traffic_flows() {
    local web db
    web=$(pod_of web) && db=$(pod_of db) &&
        fetches "$web" "$(address_of "$db"):8080" "$db" && fetches "$db" "$(address_of "$web"):8080" "$web"
}

# note_state NODE WHEN: what the node has that a pod network could have changed, to compare: links,
# addresses, routes, rules, nftables without counters, and the files of the CNI.
note_state() {
    on "$1" "$here/cluster/state.sh" >"$dir/$1.$2"
}

# keeps_state NODE: whether it has again what it had before.
keeps_state() {
    note_state "$1" after
    diff "$dir/$1.before" "$dir/$1.after"
}

show_logs() {
    local file
    for file in "$dir"/{,*/}log/*; do
        printf '\n-- the last of %s\n' "${file#"$dir/"}"
        tail -n 25 "$file" | tr -d '\r' | cut -c 1-300
    done
}
