#!/bin/bash
# Runs a command where ipip devices can be made: right here if this machine's
# kernel makes them, else in a virtual machine with a Debian kernel.
#
#   test/with-ipip.sh [OPTION of test/vm/run.sh]... [--] COMMAND [ARG...]
#   test/with-ipip.sh --boots
#
# With --boots it runs nothing, and succeeds where it would boot one.
# Asking for a certain kernel (--kernel, --suite, --append) means the virtual machine.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")

# The kernel's word: a module that could be loaded, or is listed, is no proof.
makes_ipip() {
    unshare --net ip link add probe type ipip local 192.0.2.1 remote 192.0.2.2 2>/dev/null
}

if [[ $# == 1 && $1 == --boots ]]; then
    makes_ipip && exit 1
    exit 0
fi

# Finds the command behind the options, which all take a value but --help.
certain_kernel=''
index=1
while ((index <= $#)); do
    case ${!index} in
        --) index=$((index + 1)) && break ;;
        --kernel* | --suite* | --append*) certain_kernel=1 ;;&
        --*=* | --help) ;;
        --*) index=$((index + 1)) ;;
        *) break ;;
    esac
    index=$((index + 1))
done

# Nothing left to run is for run.sh to complain about.
if [[ ! $certain_kernel ]] && ((index <= $#)) && makes_ipip; then
    exec "${@:index}" </dev/null # as in the virtual machine
fi
if [[ ! $certain_kernel ]]; then
    echo 'with-ipip.sh: this kernel has no ipip devices for us; booting a Debian kernel in a virtual machine' >&2
fi
exec "$here/vm/run.sh" "$@"
