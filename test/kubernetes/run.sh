#!/usr/bin/env bash
# Tests what needs a cluster against a real etcd and a real kube-apiserver, on a kernel that has
# ipip. As root:
#
#   test/kubernetes/run.sh [OPTION of GoogleTest...]
#
# Installs and builds what it lacks; Kubernetes' part of that takes minutes, the first time.
set -euo pipefail

cd "$(dirname "$(readlink -f "$0")")/../.."
test/install.sh iproute2 iputils-ping nftables openssl util-linux
test/build.sh release kubernetes_test
IPIP_KUBERNETES=$(test/kubernetes/build.sh)
export IPIP_KUBERNETES
# One processor, as two emulated ones have stopped each other here; see test/vm/README.md.
exec test/with-ipip.sh --cpus 1 --memory 4096 --timeout 2400 -- build/release/bin/kubernetes_test "$@"
