# shellcheck shell=bash disable=SC2154 # of cluster.sh
# etcd and Kubernetes' servers. For ../cluster.sh, which sources it. They run beside the nodes, on
# a host of the wire, as in many clusters: on this machine's own processor, as they are too much
# for an emulated one.

# No more interfaces and controllers than somebody here uses.
readonly interfaces=api/beta=false,discovery.k8s.io/v1beta1=true,policy/v1beta1=true
readonly controllers=serviceaccount,serviceaccount-token,root-ca-cert-publisher,namespace,nodeipam,nodelifecycle,\
daemonset,deployment,replicaset,endpoint,endpointslice,podgc,garbagecollector

# serve PROGRAM [OPTION...]: in the background.
serve() {
    "$programs/$1" "${@:2}" >"$dir/log/$1" 2>&1 </dev/null &
}

start_control_plane() {
    local pki=$dir/pki
    serve etcd --data-dir "$dir/etcd"
    serve kube-apiserver \
        --etcd-servers http://127.0.0.1:2379 --service-cluster-ip-range "$service_network" \
        --advertise-address "$control_plane" --secure-port 6443 --insecure-port 0 \
        --tls-cert-file "$pki/kube-apiserver.crt" --tls-private-key-file "$pki/kube-apiserver.key" \
        --client-ca-file "$pki/ca.crt" \
        --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
        --service-account-issuer https://kubernetes.default.svc \
        --service-account-key-file "$pki/accounts.pub" --service-account-signing-key-file "$pki/accounts.key" \
        --kubelet-client-certificate "$pki/kubelet-client.crt" --kubelet-client-key "$pki/kubelet-client.key" \
        --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP \
        --runtime-config "$interfaces" --feature-gates APIPriorityAndFairness=false --profiling=false
}

start_controllers() {
    local pki=$dir/pki
    # A node that is merely slow is not to lose its pods.
    serve kube-controller-manager \
        --kubeconfig "$pki/kube-controller-manager.conf" --leader-elect=false --port 0 \
        --allocate-node-cidrs --cluster-cidr "$pod_network" --node-cidr-mask-size 24 \
        --service-cluster-ip-range "$service_network" --node-monitor-grace-period 300s \
        --root-ca-file "$pki/ca.crt" --service-account-private-key-file "$pki/accounts.key" \
        --controllers "$controllers"
    serve kube-scheduler --kubeconfig "$pki/kube-scheduler.conf" --leader-elect=false --port 0
}
