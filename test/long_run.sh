#!/bin/bash
# A day of a node in minutes: pods come and go beside an agent, and nothing may grow.
#
#   test/long_run.sh [PODS [PEERS]]
#
# PODS is 20000 unless given, PEERS none: with them it wants ipip devices, and boots a kernel for
# that if it must. docs/reliability.md tells what is looked at.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

readonly pods=${1:-20000} peers=${2:-0}
if [[ ! $pods =~ ^[1-9][0-9]*$ || ! $peers =~ ^[0-9]+$ ]]; then
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" >&2
    exit 2
fi

test/install.sh iproute2 nftables strace
test/build.sh release ipip ipip-ipam ipipctl ipipd churn_test
where=()
((peers == 0)) || where=(test/with-ipip.sh)
"${where[@]}" env "IPIP_CHURN_PODS=$pods" "IPIP_CHURN_PEERS=$peers" \
    build/release/bin/churn_test --gtest_brief=1
