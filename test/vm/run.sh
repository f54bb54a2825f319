#!/bin/bash
# Runs a command as root in a virtual machine with a Debian kernel, on the
# machine's own files; see README.md.
set -euo pipefail

readonly usage='usage: test/vm/run.sh [--kernel PACKAGE] [--suite SUITE] [--cpus N] [--memory MIB]
                      [--share DIR]... [--timeout SECONDS] [--log FILE] [--] COMMAND [ARG...]'

here=$(dirname "$(readlink -f "$0")")
readonly here
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipip-cni/vm
# The exit status when the machine failed, and not the command.
readonly broken=125
# Seconds: for the boot, ten times what emulation needs on a slow machine; for
# the proof that KVM works, many times what it needs where it does.
readonly boot_limit=120 proof_limit=15

kernel=linux-image-amd64 suite='' cpus=2 memory=2048 limit=3600 log=''
shares=()
work='' qemu='' tails=()

say() {
    printf 'run.sh: %s\n' "$@" >&2
}

die() {
    say "$@"
    exit "$broken"
}

parse() {
    local value
    while (($# > 0)); do
        case $1 in
            --) shift && break ;;
            --help) echo "$usage" && exit ;;
            --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;&
            --kernel | --suite | --cpus | --memory | --share | --timeout | --log)
                (($# > 1)) || die "$1 needs a value" "$usage"
                ;;&
            --kernel) kernel=$2 ;;
            --suite) suite=$2 ;;
            --cpus) cpus=$2 ;;
            --memory) memory=$2 ;;
            --timeout) limit=$2 ;;
            --log) log=$2 ;;
            --share)
                value=$(readlink -e "$2") && [[ -d $value ]] || die "--share: $2 is not a directory"
                shares+=("$value")
                ;;
            -*) die "unknown option $1" "$usage" ;;
            *) break ;;
        esac
        shift 2
    done
    (($# > 0)) || die 'no command given' "$usage"
    for value in "$cpus" "$memory" "$limit"; do
        [[ $value =~ ^[1-9][0-9]*$ ]] || die "not a number above 0: $value" "$usage"
    done
    command=("$@")
}

# Prints the words so that any shell reads them as they are.
quote() {
    printf "'%s' " "${@//\'/\'\\\'\'}"
}

# Writes what the guest is to run: a shell script that sets up the command's
# surroundings like those here, as far as they mean something there.
write_command() {
    local name
    for name in $(compgen -e); do
        case $name in
            PATH | HOME | USER | LOGNAME | SHELL | LANG | LC_* | TZ | TERM | CI) ;;
            GTEST_* | CTEST_* | IPIP_* | ASAN_OPTIONS | LSAN_OPTIONS | TSAN_OPTIONS | UBSAN_OPTIONS) ;;
            *) continue ;;
        esac
        echo "export $name=$(quote "${!name}")"
    done
    echo "exec $(quote "${command[@]}")"
}

# Makes the initramfs: what kernel.sh prepared, and what this run adds.
make_initramfs() {
    local dir=$work/initramfs
    mkdir "$dir"
    install -m 755 "$here/guest-init" "$dir/init"
    cp "$here/guest-run" "$dir/guest-run"
    write_command >"$dir/command"
    printf '%s' "${shares[@]/%/$'\n'}" >"$dir/shares"
    {
        echo "kernel=$(quote "$kernel_dir")"
        echo "cwd=$(quote "$PWD")"
        # One stream keeps the order of what goes to the same place.
        echo "merge=$([[ /dev/fd/1 -ef /dev/fd/2 ]] && echo 1)"
    } >"$dir/settings"
    {
        cat "$kernel_dir/base.cpio"
        (cd "$dir" && find . | "$kernel_dir/busybox" cpio -o -H newc -R 0:0 2>/dev/null)
    } >"$work/initramfs.cpio"
}

# Prints how to run the guest's code, "kvm" or "tcg". A KVM that is there need
# not work (nested, it may hang): it has to boot the kernel once since the
# machine was started.
choose_accelerator() {
    local verdict
    if [[ ${IPIP_VM_ACCEL-} ]]; then
        echo "$IPIP_VM_ACCEL"
        return
    fi
    if ! [[ -r /dev/kvm && -w /dev/kvm ]]; then
        echo tcg
        return
    fi
    verdict=$cache/kvm-$(</proc/sys/kernel/random/boot_id)
    exec {lock}>"$cache/kvm.lock"
    flock "$lock"
    if [[ ! -s $verdict ]]; then
        rm -f "$cache"/kvm-*
        if IPIP_VM_ACCEL=kvm "$here/run.sh" --kernel "$kernel" --suite "$suite" \
            --timeout "$proof_limit" true >/dev/null 2>&1 {lock}>&-; then
            echo kvm
        else
            echo tcg
        fi >"$verdict"
    fi
    exec {lock}>&-
    cat "$verdict"
}

# Prints a path as QEMU wants it in an option.
escape() {
    printf '%s' "${1//,/,,}"
}

start() {
    local accelerator n
    local -a arguments
    accelerator=$(choose_accelerator)
    arguments=(
        -machine q35 -cpu max -smp "$cpus" -m "$memory"
        -nodefaults -no-user-config -no-reboot -display none
        -kernel "$kernel_dir/vmlinux" -initrd "$work/initramfs.cpio"
        -append 'console=ttyS0 quiet panic=-1 oops=panic reboot=t'
        -serial "file:$work/console"
        -virtfs local,path=/,mount_tag=root,security_model=none,multidevs=remap,readonly=on
        -virtfs "local,path=$(escape "$work/job"),mount_tag=job,security_model=none"
    )
    case $accelerator in
        kvm) arguments+=(-accel kvm) ;;
        tcg) arguments+=(-accel tcg,thread=multi) ;;
        *) die "IPIP_VM_ACCEL is $accelerator; it may be kvm or tcg" ;;
    esac
    for n in "${!shares[@]}"; do
        arguments+=(-virtfs "local,path=$(escape "${shares[n]}"),mount_tag=share$n,security_model=none,multidevs=remap")
    done

    mkdir "$work/job"
    : >"$work/job/stdout"
    : >"$work/job/stderr"
    # The pipe's only writer is QEMU, so its end tells QEMU's.
    exec {alive}< <(exec setpriv --pdeathsig KILL qemu-system-x86_64 "${arguments[@]}" </dev/null 2>"$work/qemu")
    qemu=$!
    tail -c +1 -s 0.05 -f --pid="$qemu" "$work/job/stdout" &
    tails=($!)
    tail -c +1 -s 0.05 -f --pid="$qemu" "$work/job/stderr" >&2 &
    tails+=($!)
}

# Waits for the machine's end; sets "trouble" if it had to be brought about.
watch() {
    local result started=$SECONDS
    trouble=''
    while true; do
        result=0
        read -rt 1 -u "$alive" _ || result=$?
        ((result > 128)) || break
        if ((SECONDS - started >= limit)); then
            trouble="not finished within $limit s (--timeout)"
        elif ((SECONDS - started >= boot_limit)) && [[ ! -e $work/job/started ]]; then
            trouble="no sign of life within $boot_limit s"
        elif ! kill -0 "${tails[@]}" 2>/dev/null; then
            exit 141 # nobody reads the output: as if by SIGPIPE
        else
            continue
        fi
        kill -KILL "$qemu"
        break
    done
    wait "$qemu" || true
    qemu=''
    wait "${tails[@]}" || true
    tails=()
}

cleanup() {
    [[ ! $qemu ]] || kill -KILL "$qemu" 2>/dev/null || true
    ((${#tails[@]} == 0)) || kill "${tails[@]}" 2>/dev/null || true
    wait
    [[ ! $log || ! -e $work/console ]] || cp "$work/console" "$log"
    [[ ! $work ]] || rm -rf "$work"
}

report() {
    if [[ ! -s $work/job/status ]]; then
        [[ $trouble || -e $work/job/started ]] || trouble='it ended before the command was started'
        say "the virtual machine failed: ${trouble:-it ended before the command did}"
        [[ ! -s $work/qemu ]] || { say 'QEMU says:' && cat "$work/qemu"; } >&2
        say 'the end of its console:'
        tail -n 60 "$work/console" 2>/dev/null | tr -d '\r' >&2
        exit "$broken"
    fi
    exit "$(<"$work/job/status")"
}

parse "$@"
[[ $(uname -m) == x86_64 ]] || die "this works on amd64 only, not on $(uname -m)"
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
