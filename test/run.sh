#!/usr/bin/env bash
# Builds everything and passes every test, from a fresh clone on a bare Debian 12, as root:
#
#   test/run.sh [STEP...]
#
# Without a STEP, all of these: style dev release faults churn kubernetes ipip ipip_more runtimes demo
# bench manifests supply tidy fuzz. By its name only: image, as test/cluster.sh does it too; kernels,
# mesh_faults and threads, which take long.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

readonly steps=(style dev release faults churn kubernetes ipip ipip_more runtimes demo bench manifests supply tidy fuzz)
# Where these boot an emulated machine it keeps little more than one processor busy, so two of them run at a
# time. On this machine's own kernel they would be in each other's way: modules are taken out of it.
readonly emulated=(kubernetes ipip ipip_more runtimes demo)
# What such a machine says if the emulation may be at fault, see test/vm/README.md.
readonly stood_still='run.sh: the virtual machine failed: one of its processors stood still'
readonly further_steps=(image kernels mesh_faults threads)
# What the steps want of this build, so that it is done at once; only the benchmark adds to it.
readonly release=(ipip ipip-ipam ipipctl ipipd fault_test churn_test kubernetes_test tunnel_test system_test
    managers_test mesh_fault_test)
readonly fuzz_seconds=60 # for each target
# Of the system tests those whose own eyes want no IPv6, with every verb and the agent.
readonly without_ipv6='Mesh.*:*/AnyMesh.*:MeshOfOne.*:Deletion.*:StatusOfTunnels.*:CheckOfTunnels.NamesTheS*:CheckOfTunnels.NamesAPod*:AgentMesh.FollowsN*:Masquerade.*'
readonly agent_stride=19 mesh_stride=97 # of the faults of the agent with pods, and of the mesh's

say() {
    printf '\n== %s (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
}

style() {
    say 'style: clang-format and shellcheck'
    test/install.sh clang-format shellcheck git
    git ls-files '*.cc' '*.h' | xargs clang-format --dry-run --Werror
    git grep --name-only -E '^#!.*\b(ba)?sh$' | xargs shellcheck
}

dev() {
    say 'dev: g++ with AddressSanitizer and UBSan; unit, kernel and protocol tests on the running kernel'
    test/install.sh iproute2 nftables iputils-ping iptables containernetworking-plugins strace procps openssl
    test/build.sh dev unit_test agent_test kernel_test protocol_test
    ctest --preset dev -L 'unit|kernel|protocol' --parallel "$(nproc)"
}

release() {
    say 'release: the static programs'
    test/build.sh release "${release[@]}"
    local program
    for program in ipip ipip-ipam ipipctl; do
        test/static.sh "build/release/bin/$program"
    done
}

faults() {
    say 'faults: each request refused in turn, and a kill at each system call, on the running kernel'
    test/install.sh iproute2 nftables strace
    test/build.sh release ipip ipip-ipam ipipctl ipipd fault_test
    IPIP_FAULT_STRIDE=${IPIP_FAULT_STRIDE:-$agent_stride} build/release/bin/fault_test --gtest_brief=1
}

churn() {
    say 'churn: a thousand pods come and go, and nothing grows'
    test/long_run.sh 1000
}

threads() {
    say 'threads: the agent under ThreadSanitizer, on the running kernel and on one with ipip'
    test/threads.sh
}

tidy() {
    say "tidy: the other compiler's warnings, and clang-tidy"
    test/tidy.sh
}

ipip() {
    say 'ipip: tunnel and system tests on a kernel with ipip'
    test/install.sh iproute2 nftables iputils-ping kmod strace binutils
    test/build.sh release ipip ipip-ipam ipipctl ipipd tunnel_test system_test
    test/with-ipip.sh build/release/bin/tunnel_test
    test/with-ipip.sh --timeout 2400 build/release/bin/system_test
}

ipip_more() {
    say 'ipip_more: without IPv6, beside network managers, some of the mesh faults'
    test/install.sh iproute2 nftables iputils-ping kmod strace binutils systemd udev dbus network-manager
    test/build.sh release ipip ipip-ipam ipipctl ipipd system_test managers_test mesh_fault_test
    test/with-ipip.sh --append ipv6.disable=1 build/release/bin/system_test --gtest_filter="$without_ipv6"
    test/with-ipip.sh build/release/bin/managers_test
    IPIP_FAULT_STRIDE=$mesh_stride test/with-ipip.sh build/release/bin/mesh_fault_test --gtest_brief=1
}

kernels() {
    local suite
    say "kernels: tunnel and system tests on the kernels of Debian's newer suites"
    test/install.sh iproute2 nftables iputils-ping kmod strace binutils
    test/build.sh release ipip ipip-ipam ipipctl ipipd tunnel_test system_test
    for suite in trixie sid; do
        test/with-ipip.sh --suite "$suite" uname -r
        test/with-ipip.sh --suite "$suite" --cpus 1 build/release/bin/tunnel_test --gtest_brief=1
        test/with-ipip.sh --suite "$suite" --cpus 1 build/release/bin/system_test --gtest_brief=1
    done
}

mesh_faults() {
    say 'mesh_faults: each request refused in turn, and a kill at each system call, on a kernel with ipip'
    test/install.sh iproute2 nftables kmod
    test/build.sh release ipip ipip-ipam ipipctl ipipd mesh_fault_test
    test/with-ipip.sh --timeout 36000 build/release/bin/mesh_fault_test --gtest_brief=1
}

kubernetes() {
    say 'kubernetes: the agent against a real API server, on a kernel with ipip'
    test/kubernetes/run.sh
}

image() {
    say 'image: built without a registry, looked into, and run'
    test/image.sh
}

manifests() {
    say 'manifests: built and checked'
    test/manifests.sh
}

supply() {
    say 'supply: two builds, one hash; hardening; what is linked in'
    test/supply.sh
}

fuzz() {
    say "fuzz: each target for $fuzz_seconds s"
    test/fuzz/run.sh "$fuzz_seconds"
}

demo() {
    say 'demo: the two hosts of test/demo.sh'
    test/demo.sh
}

runtimes() {
    say 'runtimes: containerd, podman and libcni call the plugin'
    test/runtimes/run.sh
}

bench() {
    say 'bench: its quick form, which fails where a target is missed by far'
    test/bench.sh --quick
}

for step in "${@:-${steps[@]}}"; do
    [[ " ${steps[*]} ${further_steps[*]} " == *" $step "* ]] ||
        { echo "no step $step; there are: ${steps[*]} ${further_steps[*]}" >&2 && exit 2; }
done

# How many of the emulated steps run at a time, see above.
count_at_once() {
    test/install.sh iproute2
    if test/with-ipip.sh --boots; then echo 2; else echo 1; fi
}

# Runs a step as a program of its own, and shows what it said when it is over. That an emulated machine stands
# still is not the step's fault, and rare: the step is run once more then, and for nothing else.
aside() {
    local again status
    for again in yes ''; do
        status=0
        test/run.sh "$1" >"$logs/$1" 2>&1 || status=$?
        cat "$logs/$1"
        { ((status)) && [[ $again ]] && grep -q "$stood_still\$" "$logs/$1"; } || break
        say "AGAIN: $1, once, as a processor of an emulated machine stood still"
        echo "$1" >>"$logs/again"
    done
    mv "$logs/$1" "$logs/$1.shown"
    ((status == 0)) || echo "$1" >>"$logs/failed"
    return "$status"
}

# Waits until a step that runs aside is over; if it failed, until all are, and ends.
reap() {
    wait -n || {
        wait
        say "FAILED: $(paste --serial --delimiters=' ' "$logs/failed")"
        exit 1
    }
    ((running -= 1)) || true
}

# What was not shown is all that there is to see of steps that somebody ended.
clean_up() {
    local log
    for log in "$logs"/*; do
        [[ ! -f $log || $log == */failed || $log == */again || $log == *.shown ]] || tail --verbose --lines=100 "$log"
    done
    rm -rf "$logs"
}

logs=$(mktemp --directory)
trap clean_up EXIT
trap 'trap "" INT TERM HUP && kill 0 && exit 130' INT TERM HUP # what runs aside does not hear of it
running=0 at_once=0
for step in "${@:-${steps[@]}}"; do
    if (($# != 1)) && [[ " ${emulated[*]} " == *" $step "* ]]; then
        ((at_once)) || at_once=$(count_at_once)
        ((running < at_once)) || reap
        echo "begun: $step"
        aside "$step" &
        ((running += 1))
    else
        while ((running)); do reap; done
        "$step"
    fi
done
while ((running)); do reap; done
say "PASS: ${*:-everything}"
[[ ! -e $logs/again ]] || echo "run twice, see above: $(paste --serial --delimiters=' ' "$logs/again")"
