#!/usr/bin/env bash
# Builds the image of the Dockerfile without a registry, looks at what is in it, and runs it.
#
#   test/image.sh [--save FILE]
#
# The Debian to build in is made from the package archive that this machine uses. A Docker daemon
# of its own, from Debian's package but not installed, works in a temporary directory that is
# gone in the end. With --save the image is left in FILE, as "docker load" and "ctr images import"
# take it. Needs root, 4 GB of disk and some minutes: everything is compiled.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

readonly largest=$((25 << 20)) # bytes, uncompressed
readonly base=debian:bookworm-slim
readonly patience=60 # seconds, for the daemon and for the agent

# shellcheck source-path=SCRIPTDIR source=archive.sh
source test/archive.sh

clean_up() {
    local status=$? group
    if [[ $daemon ]]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" || true
        for group in /sys/fs/cgroup{,/*}/"$cgroup"; do
            [[ ! -d $group ]] || remove_group "$group"
        done
    fi
    rm -rf "$work"
    exit "$status"
}

# A build that was cut short may still have processes in it.
remove_group() {
    local tries processes
    for ((tries = 0; tries < patience; tries++)); do
        mapfile -t processes < <(find "$1" -name cgroup.procs -exec cat {} +)
        ((${#processes[@]} == 0)) || kill -KILL "${processes[@]}" 2>/dev/null || true
        find "$1" -depth -type d -exec rmdir {} + 2>/dev/null && return
        sleep 1
    done
    say "cannot remove $1"
}

# The apt in the image's first stage gets what this machine's knows: Debian's archives, proxies, and
# what checks are off.
make_base() {
    local uri codename
    say 'making a Debian to build in'
    while read -r uri codename; do
        [[ $codename != bookworm* ]] || printf '%s\n' {deb,deb-src}" $uri $codename main"
    done < <(print_archives) >"$work/sources.list"
    apt-config dump | grep -E '^Acquire::(.*::)?(Proxy|Check-)' >"$work/apt.conf" || true
    run 'mmdebstrap' mmdebstrap --variant=minbase --aptopt="$work/apt.conf" \
        bookworm "$work/base.tar" "$work/sources.list"
}

start_docker() {
    say 'starting a Docker daemon'
    unpack "$work/docker" docker.io
    PATH=$work/docker/usr/bin:$work/docker/usr/sbin:$PATH
    export DOCKER_HOST=unix://$work/socket DOCKER_CONFIG=$work/config DOCKER_BUILDKIT=1
    dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" \
        --pidfile "$work/pid" --cgroup-parent "/$cgroup" --exec-opt native.cgroupdriver=cgroupfs \
        --bridge=none --iptables=false --ip6tables=false >"$work/daemon.log" 2>&1 </dev/null &
    daemon=$!
    # It says so when it is ready.
    timeout "$patience" grep --quiet --max-count=1 'API listen on' \
        <(tail --follow --lines=+1 --pid="$daemon" "$work/daemon.log" 2>/dev/null) || {
        cat "$work/daemon.log" >&2
        die 'the Docker daemon does not start'
    }
}

build() {
    say 'building the image (some minutes)'
    run 'docker import' docker import "$work/base.tar" "$base"
    rm "$work/base.tar"
    run 'docker build' docker build --network=host --tag "$image" --build-arg "REVISION=$(git rev-parse HEAD)" .
    run 'docker build' docker build --network=host --output "type=local,dest=$work/root" .
}

failed=0
# check WHAT COMMAND...: what the command says matters only if it fails.
check() {
    local what=$1
    shift
    if "$@" >"$work/output" 2>&1 </dev/null; then
        printf 'ok    %s\n' "$what"
    else
        printf 'FAIL  %s\n' "$what"
        sed 's/^/      | /' "$work/output"
        failed=1
    fi
}

is_small() {
    local size
    size=$(docker image inspect --format '{{.Size}}' "$image")
    echo "the image has $size bytes, more than $largest"
    ((size <= largest))
}

# Every program in it, beside the libraries.
has_only_our_programs() {
    local wanted
    wanted=$(printf '%s\n' usr/bin/ipipd usr/lib/ipip-cni/ipip usr/lib/ipip-cni/ipip-ipam usr/lib/ipip-cni/ipipctl)
    diff <(echo "$wanted") <(cd "$work/root" && find . -type f -perm /111 ! -name '*.so*' -printf '%P\n' | LC_ALL=C sort)
}

has_no_odd_mode() {
    local odd
    odd=$(find "$work/root" -mindepth 1 \
        \( -perm /6000 -o ! -user 0 -o ! -group 0 -o -perm /022 ! -type l ! -path "$work/root/tmp" \) -ls)
    echo "$odd"
    [[ ! $odd ]]
}

# Everything that a pod on a real cluster is denied, denied.
readonly confined=(--network=none --read-only --cap-drop=ALL --cap-add=NET_ADMIN
    --security-opt=no-new-privileges)

has_version_of_label() {
    local label version
    label=$(docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.version"}}' "$image")
    version=$(docker run --rm "${confined[@]}" "$image" --version) || return
    echo "labelled $label, is $version"
    [[ $label == "$version" ]]
}

helps() {
    docker run --rm "${confined[@]}" "$image" --help
}

# A host of which this is the only node, so that it needs no tunnel and runs on any kernel. It
# gets its address before the agent hears of the node.
becomes_ready() {
    local host=$work/host container pid network=172.16.5
    mkdir -p "$host"/{state,bin,conf,given}
    container=$(docker run --detach "${confined[@]}" --volume "$host/state:/run/ipip-cni" \
        --volume "$host/bin:/opt/cni/bin" --volume "$host/conf:/etc/cni/net.d" --volume "$host/given:/given:ro" \
        "$image" --node-name=host1 --nodes-file=/given/nodes.json --program-dir=/usr/lib/ipip-cni --ip-masq=true) || return
    pid=$(docker inspect --format '{{.State.Pid}}' "$container") || return
    nsenter --net="/proc/$pid/ns/net" ip address add "$network.126/24" dev lo || return
    printf '{"nodes": [{"name": "host1", "addresses": ["%s.126"], "podCIDRs": ["10.10.100.0/24"]}]}' \
        "$network" >"$host/nodes.json"
    mv "$host/nodes.json" "$host/given"
    timeout "$patience" grep --quiet --max-count=1 'installed .*\.conflist' \
        <(docker logs --follow "$container" 2>&1) || {
        docker logs "$container"
        return 1
    }
    docker stop "$container" && docker rm "$container"
}

installed_the_programs() {
    local name
    for name in ipip ipip-ipam ipipctl; do
        cmp "$work/host/bin/$name" "$work/root/usr/lib/ipip-cni/$name" || return
    done
}

# In a network of its own, so that it finds files alone.
uninstalls() {
    local host=$work/host left
    docker run --rm "${confined[@]}" --volume "$host/state:/run/ipip-cni" --volume "$host/bin:/opt/cni/bin" \
        --volume "$host/conf:/etc/cni/net.d" --entrypoint /usr/lib/ipip-cni/ipipctl "$image" uninstall || return
    left=$(find "$host"/{state,bin,conf} -mindepth 1)
    echo "left: $left"
    [[ ! $left ]]
}

save=''
case ${1-} in
    --help | -h) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit ;;
    --save) save=$(realpath "${2?"--save takes a file"}") ;;
    ?*) die "unknown option $1; try --help" ;;
esac
((EUID == 0)) || die 'this needs root'
test/install.sh mmdebstrap containerd runc iproute2 git
work=$(mktemp --directory --tmpdir="${TMPDIR:-/var/tmp}" ipip-image.XXXXXX)
cgroup=${work##*/} daemon=''
trap clean_up EXIT

version=$(sed -n 's/^project(.* VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
readonly image=ipip-cni:$version
set_up_apt "$work/apt"
make_base
start_docker
build
printf '%s: %s bytes\n' "$image" "$(docker image inspect --format '{{.Size}}' "$image")"
check "it has at most $((largest >> 20)) MiB" is_small
check 'it has our programs, and no shell, package manager or other program' has_only_our_programs
check 'nothing in it is setuid, or can be written by others' has_no_odd_mode
for program in "$work"/root/usr/lib/ipip-cni/*; do
    check "${program##*/} is static" test/static.sh "$program"
done
check 'it is labelled with the version that ipipd tells' has_version_of_label
check 'ipipd --help' helps
check 'with one capability and nothing to write to, the agent becomes ready' becomes_ready
check 'it installed the programs on the host' installed_the_programs
check 'ipipctl takes away what it installed, as manifests/uninstall.yaml has it' uninstalls
[[ ! $save ]] || run 'docker save' docker save --output "$save" "$image"
((failed == 0)) || die 'FAILED'
say 'PASS'
