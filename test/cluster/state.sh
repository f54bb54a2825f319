#!/bin/bash
# Prints what a node has that a pod network could have changed, to compare.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=test/demo/hosts.sh
. "$here/../demo/hosts.sh"

# A name for this network namespace, by which "snapshot" finds it.
name=state.$$
ip netns attach "$name" $$
trap 'ip netns delete "$name"' EXIT
# Counters of packets count on, and kube-proxy writes its rules anew, in any order.
snapshot "$name" | sed -E 's/ counter packets [0-9]+ bytes [0-9]+//' | sort
for place in /etc/cni /opt/cni /run/ipip-cni /var/lib/cni; do
    [[ ! -d $place ]] || find "$place" -type f -exec sha256sum {} +
done | sort -k 2
