#!/usr/bin/env bash
# A whole Kubernetes cluster with this pod network, from nothing to uninstalled.
#
#   test/cluster.sh [--image FILE] [--nodes N] [--memory MIB] [--keep]
#
# Its nodes, two unless given, are virtual machines on a wire of their own. Each has its own
# kernel, containerd, kubelet and kube-proxy. The control plane is one more host on that wire, with
# this machine's kernel. The network is installed by manifests/install.yaml, as a user does it,
# and must stand what happens to a cluster: cluster/steps. Prints every step, its commands and
# what came of them; the exit status is 0 only if all of them hold.
#
# The image is built by test/image.sh, and kept while the sources are the same, or it is FILE, an
# archive. With --keep it ends with the network installed and pods that talk: the cluster then stays
# for you, with a kubectl for it, until you interrupt this.
#
# Needs root, Debian 12, /dev/net/tun, and 3 GiB of memory for each node. The first time, Kubernetes
# is compiled before, for a quarter of an hour.
# shellcheck disable=SC2034 # what uses it is in the files that this sources
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$here")
readonly here root
readonly pod_network=10.10.0.0/16 service_network=10.96.0.0/16 service_address=10.96.0.1
readonly control_plane=172.16.5.125
memory=3072 number=2 image='' keep=''

die() {
    printf 'cluster.sh: %s\n' "$@" >&2
    exit 1
}

parse() {
    while (($# > 0)); do
        case $1 in
            --help | -h) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit ;;
            --keep) keep=1 && shift && continue ;;
            --image | --nodes | --memory) (($# > 1)) || die "$1 needs a value; try --help" ;;&
            --image) image=$(readlink -e "$2") || die "--image: there is no $2" ;;
            --nodes) number=$2 ;;
            --memory) memory=$2 ;;
            *) die "unknown argument $1; try --help" ;;
        esac
        shift 2
    done
    [[ $number =~ ^[2-9]$ ]] || die "--nodes: 2 to 9, not $number"
}

kubectl() {
    "$programs/kubectl" --kubeconfig "$dir/pki/admin.conf" --cache-dir "$dir/cache" "$@"
}

# kubectl's JSON by a filter of jq: ask FILTER ARGUMENTS of kubectl get...
ask() {
    kubectl get --request-timeout 60s -o json "${@:2}" | jq --raw-output --exit-status "$1"
}

# What node.sh reads.
settings() {
    printf '%s=%s\n' name "$1" address "${underlay[$1]}" control_plane "$control_plane" \
        programs "$programs" pod_network "$pod_network" service_network "$service_network"
}

prepare() {
    local node
    make_authority
    for node in "${nodes[@]}"; do
        mkdir -p "$dir/$node"/{images,log,pki}
        settings "$node" >"$dir/$node/settings"
        cp "$image" "$dir/$node/images/ipip-cni.tar"
        "$here/runtimes/image.py" /bin/busybox "$dir/$node/images/busybox.tar"
        certify_node "$node"
        make_disk "$node"
    done
    certify_control_plane
}

# The steps, where all that they start is gone when they end.
inside() {
    local file
    mkdir "$dir/log"
    make_wire
    prepare
    start_control_plane
    # What fails in a step is counted; the others go on, if there is a network at all.
    set +e
    for file in "$here"/cluster/steps/*.sh; do
        # shellcheck source=/dev/null
        . "$file"
        ((failed == 0)) || [[ $file != */[01]-* ]] || break
        [[ ! $keep || $file != */2-* ]] || break
    done
    ((failed == 0)) || show_logs
    [[ ! $keep ]] || stay
    verdict
}

# Until this is interrupted. The processes have numbers of their own in here.
stay() {
    cat >"$dir/kubectl" <<END
#!/bin/sh
inside=\$(pgrep --parent "\$(pgrep --parent $IPIP_CLUSTER_OUTSIDE unshare)")
exec nsenter --target "\$inside" --net '$programs/kubectl' --kubeconfig '$dir/pki/admin.conf' --cache-dir '$dir/cache' "\$@"
END
    chmod +x "$dir/kubectl"
    printf '\nThe cluster stays until this is interrupted. From another shell:\n\n  %s get pods --all-namespaces --output wide\n\n' \
        "$dir/kubectl"
    sleep infinity
}

parse "$@"
((EUID == 0)) || die 'this needs root'
[[ -c /dev/net/tun ]] || die 'there is no /dev/net/tun, by which the machines get their wire'
nodes=()
declare -A underlay=()
for ((n = 1; n <= number; n++)); do
    nodes+=("node$n")
    underlay[node$n]=172.16.5.$((125 + n))
done
readonly nodes underlay

# shellcheck source=test/demo/hosts.sh
. "$here/demo/hosts.sh"
if [[ ${IPIP_CLUSTER-} ]]; then
    dir=$IPIP_CLUSTER programs=$IPIP_PROGRAMS
    # shellcheck source=test/cluster/transcript.sh
    . "$here/cluster/transcript.sh"
    # shellcheck source=test/cluster/machines.sh
    . "$here/cluster/machines.sh"
    # shellcheck source=test/cluster/control-plane.sh
    . "$here/cluster/control-plane.sh"
    # shellcheck source=test/cluster/certificates.sh
    . "$here/cluster/certificates.sh"
    # shellcheck source=test/cluster/checks.sh
    . "$here/cluster/checks.sh"
    inside
    exit
fi
"$here/install.sh" iproute2 iptables nftables conntrack containerd runc containernetworking-plugins busybox-static \
    curl e2fsprogs jq kmod openssl python3 qemu-system-x86 tcpdump
"$here/vm/kernel.sh" linux-image-amd64 >/dev/null
IPIP_PROGRAMS=$("$here/kubernetes/build.sh" kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)
[[ $image ]] || image=$("$here/cluster/image.sh")
IPIP_CLUSTER=$(mktemp --directory --tmpdir="${TMPDIR:-/var/tmp}" ipip-cluster.XXXXXX)
export IPIP_PROGRAMS IPIP_CLUSTER IPIP_CLUSTER_OUTSIDE=$$
after_isolation="rm -rf '$IPIP_CLUSTER'"
isolate "$0" --image "$image" --nodes "$number" --memory "$memory" ${keep:+--keep}
