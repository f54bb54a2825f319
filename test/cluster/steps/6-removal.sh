# shellcheck shell=bash disable=SC2154 # of cluster.sh, and for it
# A node goes for good. Another, of which there is only the object, must not notice; and then
# a new one comes that has the old one's name.

# add_node NAME ADDRESS
add_node() {
    kubectl create --filename - <<END
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "$1", "annotations": {"ipip-cni/addresses": "$2"}}}
END
}

heading '6. node2 is removed'
add_node silent 172.16.5.200
check 'a node that is only announced gets a tunnel' within "$soon" has_tunnels node1 "${#nodes[@]}"
tunnels node1 >"$dir/tunnels"
at node1 ip -o link show type ipip
turn_off node2
show kubectl delete node node2
check 'the tunnel to it goes' within "$soon" has_tunnels node1 "$((${#nodes[@]} - 1))"
check 'the others are the same' same "$((${#nodes[@]} - 1))" \
    "$(grep --count --line-regexp --fixed-strings --file <(tunnels node1) "$dir/tunnels")"
at node1 ip -o link show type ipip
show kubectl delete node silent
check 'the tunnel to the announced node goes with it' within "$soon" has_tunnels node1 "$((${#nodes[@]} - 2))"
web=$(pod_of web) || true
check "node1's pods still have the network" in_pod "$web" timeout 60 busybox wget -q -O /dev/null \
    "http://$(kubectl get pods --selector app=web --output 'jsonpath={.items[1].status.podIP}'):8080/data"

heading 'a new node2 comes'
make_disk node2
turn_on node2
check 'its machine has started' within "$start_patience" takes_commands node2
check 'it is ready' within "$patience" has_condition node2 Ready True
check 'it has a tunnel to each of the others' within "$soon" has_tunnels node2 "$((${#nodes[@]} - 1))"
check 'pods run on it' within "$patience" is_rolled_out deployment/db
show kubectl get nodes,pods --output wide
check 'no address is given twice' has_addresses 5
check 'pods talk' traffic_flows
