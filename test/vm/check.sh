#!/bin/bash
# Tests the virtual machine as a vehicle for tests.
#
#   test/vm/check.sh [--suites]     with kernels of newer Debian suites, too
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
readonly here
"$here/../install.sh" iproute2 nftables procps
work=$(mktemp -d "${TMPDIR:-/tmp}/vm-check.XXXXXX")
trap 'rm -rf "$work"' EXIT
readonly out=$work/out err=$work/err share="$work/a share, with odd 'name"
mkdir "$share"
passed=0 failed=0 status=0

# Runs the machine; its output goes to files, its exit status to a variable.
vm() {
    status=0
    "$here/run.sh" "$@" >"$out" 2>"$err" || status=$?
}

# check WHAT COMMAND [ARG...]: counts it as passed if the command succeeds.
check() {
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok: $what"
        return
    fi
    failed=$((failed + 1))
    echo "FAILED: $what"
    echo "  exit status $status; standard output (|) and error (!):"
    tail -n 20 "$out" | sed 's/^/  | /'
    tail -n 20 "$err" | sed 's/^/  ! /'
}

status_is() {
    [[ $status == "$1" ]]
}

# Compares standard output with the rest of the arguments, a line each.
prints() {
    cmp <(printf '%s\n' "$@") "$out"
}

# No QEMU and no temporary directory of ours is left.
left_nothing() {
    ! pgrep -f "qemu-system.*$TMPDIR" >/dev/null && [[ ! $(ls -A "$TMPDIR") ]]
}

# The report has the registers of both processors.
shows_processors() {
    [[ $(grep -cE '^(CPU#[01]|RIP=[0-9a-f]{16} .*)$' "$err") == 4 ]]
}

# Each machine's files go here, so that what is left over can be told from others'.
export TMPDIR=$work/tmp
mkdir "$TMPDIR"

makes_ipip='ip link add probe type ipip local 192.0.2.1 remote 192.0.2.2 && ip -o link show probe | grep -o link/ipip'
vm sh -c "grep -c ^ipip /proc/modules; $makes_ipip"
check 'an ipip device can be made, and nothing loaded ipip before' prints 0 link/ipip
check 'exit status 0' status_is 0

# shellcheck disable=SC2016  # the guest expands it
IPIP_CHECK="a  'b" OTHER_CHECK=1 vm bash -c '
    echo "$0|$1|$IPIP_CHECK|${OTHER_CHECK-unset}|$PWD"
    read -r line || echo "no input"
    echo "$(id -u) $(hostname) $(stat -f -c %T /tmp /run /sys/fs/cgroup /dev/shm | xargs)"
    ip -brief address show lo | cut -d" " -f1
    echo guest >/etc/vm-check && cat /etc/vm-check && touch /tmp/vm-check-file
    nft add table inet check && nft list tables
    ip link add veth0 type veth peer veth1 && ip link add bridge0 type bridge && echo devices
    exit 1
' 'c  "d' $'e\nf'
check 'arguments, environment, directory and surroundings' prints \
    'c  "d|e' "f|a  'b|unset|$PWD" 'no input' '0 ipip-vm tmpfs tmpfs cgroup2fs tmpfs' lo guest 'table inet check' devices
check 'exit status 1' status_is 1
check 'the root directory of the host is left alone' [ ! -e /etc/vm-check ]

# All bytes, and no end of line at the end; more than fits into any buffer.
printf '%b' "$(printf '\\x%02x' {0..255})" >"$share/bytes"
head -c 3000000 /dev/urandom >"$share/many"
vm --share "$share" --log "$work/log" sh -c "cat \"\$1/bytes\" >&2; cat \"\$1/many\"; exit 42" - "$share"
check 'standard output arrives as it is' cmp "$share/many" "$out"
check 'standard error arrives as it is' cmp "$share/bytes" "$err"
check 'exit status 42' status_is 42

# shellcheck disable=SC2016
vm --share "$share" bash -c '
    cd "$1" && cp many copy && mkdir dir && ln -s copy dir/link && mv bytes dir/bytes
    cksum many | cut -d" " -f1
    exit 255
' - "$share"
check 'the guest reads the share' prints "$(cksum "$share/many" | cut -d' ' -f1)"
check 'the host gets what the guest wrote to the share' cmp "$share/many" "$share/copy"
check 'the share has directories, links, renamed files' \
    [ -L "$share/dir/link" -a -f "$share/dir/bytes" -a ! -e "$share/bytes" ]
check 'exit status 255' status_is 255

# It ends with the command, whatever that leaves behind.
vm sh -c 'setsid sh -c "while :; do sleep 1; done" & kill -TERM $$'
check 'exit status 143 for a command ended by SIGTERM' status_is 143
check 'nothing is left behind' left_nothing

vm --append ipv6.disable=1 --append=vm.check=1 sh -c 'ls -d /proc/sys/net/ipv6; grep -o vm.check=1 /proc/cmdline'
check 'words for the kernel reach it' prints vm.check=1

vm no-such-command
check 'exit status 127 for a missing command' status_is 127

vm sh -c 'echo before; echo c >/proc/sysrq-trigger; sleep 60'
check 'exit status 125 for a panic' status_is 125
check 'what was written before the panic arrives' prints before
check 'the console of the panic is shown' grep -q 'Kernel panic' "$err"

vm --timeout 12 sleep 60
check 'exit status 125 for a timeout' status_is 125
check 'the timeout is told' grep -q 'not finished within 12 s' "$err"
check 'where its processors stood is told' shows_processors
check 'nothing is left behind' left_nothing

# A busy processor whose APIC is turned off (by the register 27, IA32_APIC_BASE) is never
# interrupted again, not by its own timer either.
# shellcheck disable=SC2016
stand_still='
    modprobe msr
    taskset -c "$1" sh -c "while :; do :; done" &
    sleep 1
    printf "\0\0\340\376\0\0\0\0" | dd of="/dev/cpu/$1/msr" bs=8 seek=27 oflag=seek_bytes conv=notrunc
    sleep 600
'
for processor in 0 1; do
    vm --timeout 120 --append rcupdate.rcu_cpu_stall_timeout=10 sh -c "$stand_still" - "$processor"
    check "exit status 125 for a processor $processor that stands still" status_is 125
    check 'that is told' \
        grep -qx 'run.sh: the virtual machine failed: one of its processors stood still' "$err"
    check 'where its processors stood is told' shows_processors
    check 'so it is by the kernel' grep -q "NMI backtrace for cpu $processor" "$err"
    check 'nothing is left behind' left_nothing
done

"$here/run.sh" sh -c 'echo started; sleep 60' >"$out" 2>"$err" &
until grep -q started "$out" || ! kill -0 $! 2>/dev/null; do
    sleep 0.2
done
kill -TERM $!
status=0
wait $! || status=$?
check 'exit status 143 if ended by SIGTERM' status_is 143
check 'nothing is left behind' left_nothing

status=0
"$here/run.sh" yes 2>"$err" | head -n 2 >"$out" || status=${PIPESTATUS[0]}
check 'it ends when nobody reads the output' prints y y
check 'nothing is left behind' left_nothing

if [[ ${1-} == --suites ]]; then
    for suite in bookworm-backports trixie sid; do
        vm --suite "$suite" sh -c "uname -r >&2; $makes_ipip"
        check "$suite: an ipip device can be made with $(tail -n 1 "$err")" prints link/ipip
    done
fi

echo "$passed passed, $failed failed"
((failed == 0))
