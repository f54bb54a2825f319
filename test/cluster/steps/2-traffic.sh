# shellcheck shell=bash disable=SC2154 # of cluster.sh, and for it
# Pods of both nodes, and everything they talk to.

heading '2. pods talk'
show kubectl apply --filename "$here/cluster/pods.yaml"
check "node1's pods get ready, which the kubelet, on the host, sees" is_rolled_out deployment/web
check "node2's pods get ready" is_rolled_out deployment/db
show kubectl get pods,services --output wide
check 'every pod has an address of its own, of its node' has_addresses 4
web=$(pod_of web) || true
db=$(pod_of db) || true
mapfile -t dbs < <(pods_of db)

check "pod to pod across nodes: 4 MiB of $db to $web, byte for byte" fetches "$web" "$(address_of "$db"):8080" "$db"
check "and of $web to $db" fetches "$db" "$(address_of "$web"):8080" "$web"
show on_wire "ip proto 4 and ip[2:2] > 200"
check 'on the wire that is IP protocol 4' seen_on_wire "ip proto 4 and ip[2:2] > 200"
check 'nothing of the pods goes bare over the wire' not seen_on_wire "src net $pod_network or dst net $pod_network"
check "the pods' MTU leaves room for the outer header" same 1480 "$(in_pod "$web" cat /sys/class/net/eth0/mtu)"
check 'so full packets fill the wire' seen_on_wire 'ip proto 4 and ip[2:2] = 1500'
check 'and none is in fragments' not seen_on_wire 'ip[6:2] & 0x3fff != 0'

check "pod to Service: $web gets the data of one of node2's pods by the ClusterIP" \
    fetches "$web" "$(cluster_ip db)" "${dbs[@]}"
check 'host to pod on the other node' host_fetches node1 "$db"
check 'host to pod on the same node' host_fetches node2 "$db"
check "pod to the API server's Service" in_pod "$db" \
    timeout 60 busybox wget -q -O - --no-check-certificate "https://$service_address/version"
at node2 conntrack -L -p tcp -s "$(address_of "$db")" -d "$service_address"
# The reply comes to the node's own address.
check "there it comes from its node's address" on node2 \
    sh -c "conntrack -L -p tcp -s $(address_of "$db") -d $service_address |
        grep 'src=$control_plane dst=${underlay[node2]}'"
