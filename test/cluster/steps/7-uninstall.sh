# shellcheck shell=bash disable=SC2154 # of cluster.sh, and for it
# All is taken away, in the order that docs/install.md has.

# has_no_pods NAMESPACE
has_no_pods() {
    local left
    left=$(kubectl --namespace "$1" get pods --no-headers 2>/dev/null)
    echo "$left"
    [[ ! $left ]]
}

heading '7. the network is uninstalled'
show kubectl delete --filename "$here/cluster/pods.yaml"
check 'the pods end' within "$patience" has_no_pods default
show kubectl --namespace kube-system delete "$agents"
show kubectl apply --filename "$root/manifests/uninstall.yaml"
check 'it is done on every node' is_rolled_out daemonset/ipip-cni-uninstall kube-system
show kubectl --namespace kube-system logs --selector app.kubernetes.io/component=uninstall --tail 100 --prefix
show kubectl delete --filename "$root/manifests/uninstall.yaml"
show kubectl delete --filename "$root/manifests/install.yaml" --ignore-not-found
check 'no pod of it is left' within "$patience" has_no_pods kube-system
for node in "${nodes[@]}"; do
    check "$node is as it was before" within "$soon" keeps_state "$node"
    check "$node has no network" within "$patience" has_condition "$node" Ready False
done
