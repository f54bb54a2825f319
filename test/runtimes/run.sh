#!/usr/bin/env bash
# Tests the plugin with real container runtimes, each of them on two nodes that an
# IPIP tunnel joins; see README.md. As root:
#
#   test/runtimes/run.sh [RUNTIME...]
#
# A RUNTIME is containerd, podman or libcni; without one, all of them. Installs what it
# lacks from Debian's packages. Ends with a line for each, and status 0 if all passed.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
root=$(readlink -f "$here/../..")
readonly all=(containerd podman libcni)

die() {
    printf 'run.sh: %s\n' "$@" >&2
    exit 2
}

# The packages that the tests of a runtime take.
packages() {
    case $1 in
        containerd) printf '%s\n' busybox-static containerd runc containernetworking-plugins iptables \
            python3 python3-grpcio python3-protobuf protobuf-compiler ;;
        podman) printf '%s\n' busybox-static podman runc containernetworking-plugins python3 ;;
        libcni) printf '%s\n' busybox-static containernetworking-plugins ;;
    esac
}

# Builds what the tests of a runtime bring themselves.
build() {
    case $1 in
        containerd)
            protoc --proto_path="$here/cri" --python_out="$built" api.proto
            ;;&
        containerd | podman) "$here/image.py" /bin/busybox "$built/image.tar" ;;
        libcni) "$here/libcni/build.sh" "$built/cni" ;;
    esac
}

# inside RUNTIME...: the tests, on a kernel that has ipip.
inside() {
    local runtime failed=()
    for runtime in "$@"; do
        "$here/$runtime.sh" || failed+=("$runtime")
    done
    if ((${#failed[@]} > 0)); then
        printf '\nFAIL: %s (%d s)\n' "${failed[*]}" "$SECONDS"
        return 1
    fi
    printf '\nPASS: %s (%d s)\n' "$*" "$SECONDS"
}

main() {
    local runtime needed wanted=("$@")
    ((${#wanted[@]} > 0)) || wanted=("${all[@]}")
    for runtime in "${wanted[@]}"; do
        [[ " ${all[*]} " == *" $runtime "* ]] || die "there is no runtime $runtime; there are: ${all[*]}"
    done

    mapfile -t needed < <(for runtime in "${wanted[@]}"; do packages "$runtime"; done | sort -u)
    "$root/test/install.sh" iproute2 nftables jq lmdb-utils "${needed[@]}"
    "$root/test/build.sh" release ipip
    built=$root/build/runtimes
    mkdir -p "$built"
    for runtime in "${wanted[@]}"; do
        build "$runtime"
    done
    cd "$root"
    exec "$root/test/with-ipip.sh" --timeout 1800 -- "$here/run.sh" --inside "${wanted[@]}"
}

case ${1-} in
    --help | -h) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" ;;
    --inside) inside "${@:2}" ;;
    *) main "$@" ;;
esac
