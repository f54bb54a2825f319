#!/bin/bash
# One node, inside its virtual machine: starts what a node runs, then takes commands.
#
#   test/cluster/node.sh DIR
#
# DIR is shared with the machine outside. Its file "settings" tells who we are.
# shellcheck disable=SC2154 # the settings are read
set -euo pipefail

readonly dir=$1 pki=$1/pki disk=/var/lib/node
# shellcheck source=/dev/null
. "$dir/settings"

# keep NAME COMMAND...: runs it, again whenever it ends.
keep() {
    while true; do
        "${@:2}" || echo "node.sh: $1 ended with status $?"
        sleep 1
    done >>"$dir/log/$1" 2>&1 </dev/null &
}

# await COMMAND...
await() {
    until "$@" >/dev/null 2>&1; do
        sleep 2
    done
}

api_is_ready() {
    curl --silent --fail --max-time 20 --cacert "$pki/ca.crt" "https://$control_plane:6443/readyz"
}

set_up_network() {
    modprobe virtio_net
    ip link set lo up
    ip link set eth0 up
    ip address add "$address/24" dev eth0
    # Without one the addresses of Services lead nowhere.
    ip route add default via "$control_plane"
}

# Directories that are the disk's, as they must outlive the machine.
set_up_disk() {
    local place
    modprobe virtio_blk
    mkdir -p "$disk"
    mount -t ext4 /dev/vda "$disk"
    for place in /etc/cni/net.d /opt/cni/bin /var/lib/{cni,containerd,kubelet}; do
        mkdir -p "$place" "$disk$place"
        mount --bind "$disk$place" "$place"
    done
    # As every node has it from the package of its runtime.
    cp /usr/lib/cni/loopback /opt/cni/bin/
    mount --make-rshared /
}

start_containerd() {
    mkdir -p /etc/containerd
    cat >/etc/containerd/config.toml <<'END'
version = 2
# What starts slowly and has no use here.
disabled_plugins = ["io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/busybox:1"
END
    keep containerd containerd
    await test -S /run/containerd/containerd.sock
    if [[ ! -e $disk/imported ]]; then
        for archive in "$dir"/images/*; do
            await ctr --namespace k8s.io images import "$archive"
        done
        touch "$disk/imported"
    fi
}

# The kubelet of 1.20 knows version 2 of the kernel's control groups only so far: it makes none for
# the classes of pods. Those of the containers, with their limits, are the runtime's.
start_kubelet() {
    cat >/etc/kubelet.yaml <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $pki/kubelet.crt
tlsPrivateKeyFile: $pki/kubelet.key
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
runtimeRequestTimeout: 10m
evictionHard: {memory.available: 50Mi}
imageGCHighThresholdPercent: 100
END
    keep kubelet "$programs/kubelet" --config /etc/kubelet.yaml --kubeconfig "$pki/kubelet.conf" \
        --container-runtime remote --container-runtime-endpoint unix:///run/containerd/containerd.sock \
        --hostname-override "$name" --node-ip "$address"
}

start_proxy() {
    keep kube-proxy "$programs/kube-proxy" --kubeconfig "$pki/kube-proxy.conf" --hostname-override "$name" \
        --proxy-mode iptables --cluster-cidr "$pod_network" --conntrack-max-per-core 0
}

# answer JOB: runs what is in the file, and leaves status and output beside it.
answer() {
    local letter=${1%.job} status=0
    bash "$letter.taken" >"$letter.said" 2>&1 </dev/null || status=$?
    echo "$status" >"$letter.new"
    mv "$letter.new" "$letter.status"
}

# Takes commands for ever. Waits without a program, which would cost more than the look.
take_commands() {
    local job idle
    mkfifo /run/idle
    exec {idle}<>/run/idle
    touch "$dir/mail/open"
    while true; do
        for job in "$dir"/mail/*.job; do
            [[ -e $job ]] || continue
            mv "$job" "${job%.job}.taken"
            answer "$job" &
        done
        read -rt 0.2 -u "$idle" || true
    done
}

hostname "$name"
md5sum <<<"$name" | cut -c 1-32 >/etc/machine-id
set_up_network
set_up_disk
(
    start_containerd
    await api_is_ready
    start_kubelet
    start_proxy
    wait
) >>"$dir/log/start" 2>&1 &
take_commands
