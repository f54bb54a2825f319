# shellcheck shell=bash disable=SC2154 # of cluster.sh, and for it
# Somebody takes parts of the network away.

# repaired NODE KIND WORDS: whether the agent there tells, in numbers and in its log, of a repair.
repaired() {
    (($(metric "$1" "ipip_repairs_total[{]kind=\"$2\"[}]") > 0)) &&
        kubectl --namespace kube-system logs "$(agent_on "$1")" | grep --fixed-strings "$3"
}

heading '4. somebody deletes a tunnel and the table of nftables'
tunnel=$(tunnels node1 | head -n 1)
tunnel=${tunnel#*: }
at node1 ip link delete "$tunnel"
check 'the tunnel stands again' within "$soon" has_tunnels node1 "$((${#nodes[@]} - 1))"
check 'the agent says so, in its log and its metrics' within "$soon" repaired node1 tunnel "$tunnel"
check 'pods talk' traffic_flows

table=$(on node1 nft list tables | grep ipip | sed 's/^table //') || true
at node1 nft list table "$table"
on node1 nft list table "$table" >"$dir/table"
at node1 nft delete table "$table"
check 'the table is there again' within "$soon" on node1 nft list table "$table"
check 'as it was' diff "$dir/table" <(on node1 nft list table "$table")
check 'the agent says so, in its log and its metrics' within "$soon" repaired node1 nftables nftables
show kubectl --namespace kube-system logs "$(agent_on node1)"
at node1 sh -c 'busybox wget -q -O - http://127.0.0.1:9094/metrics | grep ^ipip_'
