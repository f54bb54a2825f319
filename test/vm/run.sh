#!/bin/bash
# Runs a command as root in a virtual machine with a Debian kernel, on the
# machine's own files; see README.md.
set -euo pipefail

readonly usage='usage: test/vm/run.sh [--kernel PACKAGE] [--suite SUITE] [--cpus N] [--memory MIB]
                      [--share DIR]... [--timeout SECONDS] [--log FILE] [--qemu WORD]...
                      [--append WORD]... [--] COMMAND [ARG...]'

# The exit status if the machine failed, rather than the command.
readonly broken=125
# Seconds for the boot: many times what emulation needs, as it may be one of
# many busy processes. And for the proof of KVM: many times what KVM needs.
readonly boot_limit=180 proof_limit=10
# What the kernel says when a processor stands still, so that not even its own timer
# runs, or its own kernel thread for that; and after how many seconds: more than a soft
# lockup takes to be a panic. Then those that the kernel gets for its backtraces (it
# waits 10 each time that a processor does not answer), and those for QEMU's monitor.
readonly stall='rcu: (INFO: rcu_[a-z]+ detected stalls on CPUs|rcu_[a-z]+ kthread starved)'
readonly stall_limit=180 trace_limit=25 monitor_limit=5

here=$(dirname "$(readlink -f "$0")")
readonly here

kernel=linux-image-amd64 suite='' cpus=2 memory=2048 limit=3600 log=''
shares=() more=() words=() command=()
merge='' trouble=''
work='' qemu='' tails=() proof=''

say() {
    printf 'run.sh: %s\n' "$@" >&2
}

die() {
    say "$@"
    exit "$broken"
}

parse() {
    local option value dir
    while [[ ${1-} == -* ]]; do
        option=$1
        shift
        case $option in
            --) break ;;
            --help) echo "$usage" && exit ;;
            --*=*) value=${option#*=} option=${option%%=*} ;;
            *) (($# > 0)) || die "$option needs a value" "$usage"
                value=$1
                shift
                ;;
        esac
        case $option in
            --kernel) kernel=$value ;;
            --suite) suite=$value ;;
            --cpus) cpus=$value ;;
            --memory) memory=$value ;;
            --timeout) limit=$value ;;
            --log) log=$value ;;
            --qemu) more+=("$value") ;;
            --append) words+=("$value") ;;
            --share)
                dir=$(readlink -m "$value")
                [[ -d $dir ]] || die "--share: there is no directory $value"
                shares+=("$dir")
                ;;
            *) die "there is no option $option" "$usage" ;;
        esac
    done
    (($# > 0)) || die 'no command given' "$usage"
    command=("$@")
    for value in "$cpus" "$memory" "$limit"; do
        [[ $value =~ ^[1-9][0-9]*$ ]] || die "not a number above 0: $value" "$usage"
    done
}

# Prints the words so that any shell reads them as they are.
quote() {
    printf "'%s' " "${@//\'/\'\\\'\'}"
}

# Prints a shell script that runs the command with those variables of the
# environment that mean something to a test.
print_command() {
    local name
    for name in $(compgen -e); do
        case $name in
            PATH | HOME | USER | LOGNAME | SHELL | TERM | LANG | LC_* | TZ | CI) ;;
            IPIP_* | GTEST_* | CTEST_* | ASAN_OPTIONS | LSAN_OPTIONS | TSAN_OPTIONS | UBSAN_OPTIONS) ;;
            *) continue ;;
        esac
        echo "export $name=$(quote "${!name}")"
    done
    echo "exec $(quote "${command[@]}")"
}

# Makes the initramfs out of what kernel.sh prepared and what is about this run.
# The kernel unpacks one archive after the other.
make_initramfs() {
    local dir=$work/initramfs
    mkdir "$dir"
    install -m 755 "$here/guest-init" "$dir/init"
    cp "$here/guest-run" "$dir/guest-run"
    print_command >"$dir/command"
    printf '%s' "${shares[@]/%/$'\n'}" >"$dir/shares"
    {
        echo "kernel=$(quote "$kernel_dir")"
        echo "cwd=$(quote "$PWD")"
        echo "merge=$merge"
        echo "patience=$((limit - limit / 10))"
    } >"$dir/settings"
    (
        cat "$kernel_dir/base.cpio"
        cd "$dir"
        find . | "$kernel_dir/busybox" cpio -o -H newc -R 0:0 2>/dev/null
    ) >"$work/initramfs.cpio"
}

# Sets "accelerator" to "kvm" or "tcg" (QEMU's emulation). A KVM that is there may
# still abort or hang, when the machine is a virtual one itself: so it has to boot
# our kernel first, once after each start of the machine.
choose_accelerator() {
    local verdict status=0
    if [[ ${IPIP_VM_ACCEL-} ]]; then
        accelerator=$IPIP_VM_ACCEL
        [[ $accelerator == kvm || $accelerator == tcg ]] ||
            die "IPIP_VM_ACCEL is $accelerator; it may be kvm or tcg"
        return
    fi
    accelerator=tcg
    [[ -r /dev/kvm && -w /dev/kvm ]] || return 0

    verdict=${kernel_dir%/*}/kvm-$(</proc/sys/kernel/random/boot_id)
    if [[ ! -s $verdict ]]; then
        IPIP_VM_ACCEL=kvm "$here/run.sh" --kernel "$kernel" --suite "$suite" \
            --timeout "$proof_limit" true >/dev/null 2>&1 &
        proof=$!
        wait "$proof" || status=$?
        proof=''
        case $status in
            0) echo kvm ;;
            "$broken") echo tcg ;;
            *) die 'the proof of KVM was interrupted' ;;
        esac >"$work/verdict"
        rm -f "${verdict%/*}"/kvm-* # of earlier starts
        mv "$work/verdict" "$verdict"
    fi
    accelerator=$(cat "$verdict" 2>/dev/null || echo tcg)
}

# Prints a path as it has to look in an option of QEMU.
escape() {
    printf '%s' "${1//,/,,}"
}

start() {
    local accelerator n
    choose_accelerator
    # Any fault of the kernel ends the machine, and so does a processor that is stuck
    # in it for two minutes. One that stands still is left to watch(): "panic_on_rcu_stall"
    # would not wait as long everywhere, in 6.1 but 21 seconds for an expedited grace period.
    # Backtraces are warnings, hence the level. An emulated processor on a busy machine may
    # be late for the kernel's check of its timer and measuring of its speed (an approximate
    # one will do), and tests of ciphers take long on it.
    local kernel_options='console=ttyS0 loglevel=5 oops=panic panic=-1 reboot=t'
    kernel_options+=' softlockup_panic=1 watchdog_thresh=60 softlockup_all_cpu_backtrace=1'
    kernel_options+=" rcupdate.rcu_cpu_stall_timeout=$stall_limit"
    kernel_options+=' no_timer_check lpj=10000000 cryptomgr.notests'
    kernel_options+=${words[*]:+" ${words[*]}"}
    local -a arguments=(
        -machine 'q35,smm=off,sata=off,usb=off,smbus=off,i8042=off'
        -accel "$accelerator" -cpu max -smp "$cpus" -m "$memory"
        -nodefaults -no-user-config -no-reboot -display none
        -kernel "$kernel_dir/vmlinux" -initrd "$work/initramfs.cpio" -append "$kernel_options"
        -serial "file:$work/console"
        -chardev "pipe,id=monitor,path=$(escape "$work/monitor")" -mon monitor
        -virtfs 'local,path=/,mount_tag=root,readonly=on,security_model=none,multidevs=remap'
        -virtfs "local,path=$(escape "$work/job"),mount_tag=job,security_model=none"
    )
    for n in "${!shares[@]}"; do
        arguments+=(-virtfs "local,path=$(escape "${shares[n]}"),mount_tag=share$n,security_model=none,multidevs=remap")
    done
    arguments+=("${more[@]}")

    mkdir "$work/job"
    mkfifo "$work/monitor.in" "$work/monitor.out"
    touch "$work/console" "$work/job/stdout" "$work/job/stderr"
    # QEMU is the only writer of this pipe, so its end is QEMU's end.
    exec {alive}< <(exec setpriv --pdeathsig KILL \
        qemu-system-x86_64 "${arguments[@]}" </dev/null 2>"$work/qemu")
    qemu=$!
    tail -c +1 -s 0.05 -f --pid="$qemu" "$work/job/stdout" &
    tails=($!)
    tail -c +1 -s 0.05 -f --pid="$qemu" "$work/job/stderr" >&2 &
    tails+=($!)
}

# Asks QEMU's monitor where the processors are; it may be silent. QEMU ends thereby.
ask_registers() {
    # shellcheck disable=SC2016  # the other shell expands it
    timeout "$monitor_limit" sh -c '
        exec <"$1.out"
        printf "%s\n" "info registers -a" quit >"$1.in"
        cat
    ' - "$work/monitor" | tr -d '\r' |
        grep -E '^(CPU#|[ER][A-Z0-9]+ *=|[CG]S *=|CR)' >"$work/registers" || true
}

# Waits for the machine's end; sets "trouble" if it had to be brought about.
watch() {
    local begin=$SECONDS tail status
    while true; do
        status=0
        read -rt 1 -u "$alive" _ || status=$?
        ((status > 128)) || break # not the second gone by, but the pipe ended
        for tail in "${tails[@]}"; do
            # Nobody reads the output any more: as if ended by SIGPIPE.
            kill -0 "$tail" 2>/dev/null || ! kill -0 "$qemu" 2>/dev/null || exit 141
        done
        if ((SECONDS - begin >= limit)); then
            trouble="not finished within $limit s (--timeout)"
        elif ((SECONDS - begin >= boot_limit)) && [[ ! -e $work/job/started ]]; then
            trouble="no sign of life within $boot_limit s"
        elif grep -qE "$stall" "$work/console"; then
            trouble='one of its processors stood still'
            read -rt "$trace_limit" -u "$alive" _ || true
        else
            continue
        fi
        ask_registers
        kill -KILL "$qemu" 2>/dev/null || true
        break
    done
    wait "$qemu" || true
    qemu=''
    wait "${tails[@]}" || true
    tails=()
}

# Tells how it went, by the exit status at least.
report() {
    if [[ -s $work/job/status ]]; then
        exit "$(<"$work/job/status")"
    fi
    [[ $trouble || -e $work/job/started ]] || trouble='it ended before the command was started'
    say "the virtual machine failed: ${trouble:-it ended before the command did}"
    if [[ -s $work/qemu ]]; then
        say 'QEMU says:'
        cat "$work/qemu" >&2
    fi
    if [[ -s $work/registers ]]; then
        say 'where its processors stood:'
        cat "$work/registers" >&2
    fi
    say 'the last of its console:'
    tail -n 250 "$work/console" | tr -d '\r' >&2
    exit "$broken"
}

# shellcheck disable=SC2317  # the trap calls it
cleanup() {
    [[ ! $proof ]] || kill "$proof" 2>/dev/null || true
    [[ ! $qemu ]] || kill -KILL "$qemu" 2>/dev/null || true
    ((${#tails[@]} == 0)) || kill "${tails[@]}" 2>/dev/null || true
    wait
    [[ ! $log || ! -e $work/console ]] || cp "$work/console" "$log"
    [[ ! $work ]] || rm -rf "$work"
}

[[ $(uname -m) == x86_64 ]] || die "this works on amd64 only, not on $(uname -m)"
parse "$@"
# Streams to the same place become one, which keeps what is written in order.
[[ ! /dev/stdout -ef /dev/stderr ]] || merge=1
"$here/../install.sh" qemu-system-x86 kmod || exit "$broken"
kernel_dir=$("$here/kernel.sh" "$kernel" "$suite") || exit "$broken"

trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d "${TMPDIR:-/tmp}/ipip-vm.XXXXXX")
make_initramfs
start
watch
report
