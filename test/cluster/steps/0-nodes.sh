# shellcheck shell=bash disable=SC2154 # of cluster.sh, and for it
# The cluster as it is before: nodes that know no network.

heading 'two machines become a cluster without a pod network'
check 'the API server is ready' within "$patience" kubectl get --raw /readyz
start_controllers
for node in "${nodes[@]}"; do
    turn_on "$node"
done
for node in "${nodes[@]}"; do
    check "the machine of $node has started" within "$start_patience" takes_commands "$node"
done
for node in "${nodes[@]}"; do
    check "$node registers" within "$patience" kubectl get node "$node"
done
for node in "${nodes[@]}"; do
    check "$node has kube-proxy's rules" within "$patience" on "$node" sh -c "iptables-save -t nat | grep $service_address"
    check "$node has a pod CIDR" within "$patience" ask .spec.podCIDR node "$node"
    check "$node is not ready, for want of a network" within "$patience" has_condition "$node" Ready False
done
show kubectl get nodes --output wide
at node1 uname -a
