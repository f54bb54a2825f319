# shellcheck shell=bash disable=SC2154 # of cluster.sh, and for it
# The cluster's authority, and who is who. For ../cluster.sh, which sources it.

# issue DIR NAME SUBJECT [ALTERNATIVE NAMES]: a key and a certificate.
issue() {
    local file=$1/$2
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$3" \
        -keyout "$file.key" -out "$file.csr" 2>/dev/null
    openssl x509 -req -in "$file.csr" -days 30 -CA "$dir/pki/ca.crt" -CAkey "$dir/pki/ca.key" -CAcreateserial \
        -out "$file.crt" -extfile <(
            echo 'extendedKeyUsage=clientAuth,serverAuth'
            [[ ! ${4-} ]] || echo "subjectAltName=$4"
        ) 2>/dev/null
    rm "$file.csr"
    [[ -e $1/ca.crt ]] || cp "$dir/pki/ca.crt" "$1/ca.crt"
}

# kubeconfig DIR NAME SERVER: for who has that certificate.
kubeconfig() {
    cat >"$1/$2.conf" <<END
apiVersion: v1
kind: Config
current-context: cluster
clusters: [{name: cluster, cluster: {server: "https://$3", certificate-authority: "$1/ca.crt"}}]
users: [{name: $2, user: {client-certificate: "$1/$2.crt", client-key: "$1/$2.key"}}]
contexts: [{name: cluster, context: {cluster: cluster, user: $2}}]
END
}

make_authority() {
    mkdir -m 700 "$dir/pki"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=cluster -days 30 \
        -keyout "$dir/pki/ca.key" -out "$dir/pki/ca.crt" 2>/dev/null
    issue "$dir/pki" admin /O=system:masters/CN=admin
    kubeconfig "$dir/pki" admin "$control_plane:6443"
}

# What every node has.
certify_node() {
    local node=$1 pki=$dir/$1/pki
    issue "$pki" kubelet "/O=system:nodes/CN=system:node:$node" "DNS:$node,IP:${underlay[$node]}"
    kubeconfig "$pki" kubelet "$control_plane:6443"
    issue "$pki" kube-proxy /CN=system:kube-proxy
    kubeconfig "$pki" kube-proxy "$control_plane:6443"
}

# What the control plane has.
certify_control_plane() {
    local pki=$dir/pki name
    issue "$pki" kube-apiserver /CN=kube-apiserver \
        "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,IP:$service_address,IP:$control_plane"
    issue "$pki" kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
    # The one may do everything; else each of its controllers would begin with an account of its
    # own, for which it waits.
    issue "$pki" kube-controller-manager /O=system:masters/CN=system:kube-controller-manager
    issue "$pki" kube-scheduler /CN=system:kube-scheduler
    for name in kube-controller-manager kube-scheduler; do
        kubeconfig "$pki" "$name" "$control_plane:6443"
    done
    openssl ecparam -name prime256v1 -genkey -noout -out "$pki/accounts.key"
    openssl ec -in "$pki/accounts.key" -pubout -out "$pki/accounts.pub" 2>/dev/null
}
