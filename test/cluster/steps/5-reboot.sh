# shellcheck shell=bash disable=SC2154 # of cluster.sh, and for it
# A node loses its power and comes back, with what its disk has.

# have_restarted OPTION of kubectl get pods...: whether each of these pods has, and is ready again.
have_restarted() {
    ask '[.items[].status.containerStatuses[]] | . != [] and all(.[]; .restartCount > 0 and .ready)' pods "$@"
}

heading '5. node2 is rebooted'
on node2 sync
turn_off node2
turn_on node2
check 'its machine has started' within "$start_patience" takes_commands node2
check 'its pods run again' within "$patience" have_restarted --selector app=db
check 'its agent, too' within "$patience" have_restarted --namespace kube-system --field-selector spec.nodeName=node2
check 'it is ready' within "$patience" has_condition node2 Ready True
show kubectl get pods --all-namespaces --output wide
check 'no address is given twice' has_addresses 4
check 'pods talk' traffic_flows
show kubectl scale --replicas 3 deployment/db
check 'another pod gets ready' is_rolled_out deployment/db
check 'with an address that no other has' has_addresses 5
