#!/bin/bash
# The agent under ThreadSanitizer: its own tests, its life on a host without peers, and the storm
# and its life on a host with tunnels.
#
#   test/threads.sh
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

test/install.sh iproute2 nftables iputils-ping kmod procps openssl
test/build.sh release ipip ipip-ipam ipipctl ipipd protocol_test system_test
test/build.sh tsan ipipd agent_test

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
# What it finds goes into files: an agent's own log is gone with its host.
export TSAN_OPTIONS="log_path=$reports/race exitcode=66"
# It knows only some layouts of the address space, and newer kernels choose others at random.
steady=(setarch --addr-no-randomize)
failed=0
"${steady[@]}" build/tsan/bin/agent_test --gtest_brief=1 || failed=1
IPIP_TEST_AGENT=$PWD/build/tsan/bin/ipipd "${steady[@]}" build/release/bin/protocol_test \
    --gtest_brief=1 --gtest_filter='AgentOnOneHost.*:Of/AgentRepairs.*' || failed=1
IPIP_TEST_AGENT=$PWD/build/tsan/bin/ipipd test/with-ipip.sh --share "$reports" -- \
    "${steady[@]}" build/release/bin/system_test \
    --gtest_brief=1 --gtest_filter='Storm.*:AgentMesh.*' || failed=1
if compgen -G "$reports/race*" >/dev/null; then
    cat "$reports"/race* >&2
    failed=1
fi
exit "$failed"
