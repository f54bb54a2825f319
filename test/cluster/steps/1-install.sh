# shellcheck shell=bash disable=SC2154 # of cluster.sh, and for it
# Installed as a user does it.

heading '1. the network is installed'
for node in "${nodes[@]}"; do
    check "what $node has before is noted" note_state "$node" before
done
show kubectl apply --filename "$root/manifests/install.yaml"
check 'the agents run on every node' is_rolled_out "$agents" kube-system
show kubectl --namespace kube-system get pods --output wide
for node in "${nodes[@]}"; do
    check "$node is ready" within "$patience" has_condition "$node" Ready True
    check "$node's network is available" within "$soon" has_condition "$node" NetworkUnavailable False
    check "$node has a tunnel to each of the others" within "$soon" has_tunnels "$node" "$((${#nodes[@]} - 1))"
done
show kubectl get nodes --output wide
for node in "${nodes[@]:0:2}"; do
    at "$node" ip -d link show type ipip
    at "$node" ip route
done
