#!/bin/bash
# Shows the main job: two hosts, a pod on each, an IPIP tunnel between them.
#
#   test/demo.sh [--plugin FILE] [OPTION of test/vm/run.sh]...
#
# Installs what it needs from Debian's packages, builds the plugin (or takes the
# one given), and plays demo/scene.sh on a kernel that has ipip: this one, or one in
# a virtual machine. Ends with PASS and status 0, or FAIL, what failed, and 1.
# For instance: test/demo.sh --suite trixie
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$here")
plugin='' options=()

die() {
    printf 'demo.sh: %s\n' "$@" >&2
    exit 2
}

while (($# > 0)); do
    case $1 in
        --help | -h) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit ;;
        --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
        --plugin)
            (($# > 1)) || die '--plugin needs a file'
            plugin=$(readlink -e "$2") || die "--plugin: there is no $2"
            [[ -f $plugin && -x $plugin ]] || die "--plugin: $2 is no program"
            # The virtual machine has a /tmp of its own.
            [[ $plugin != /tmp/* ]] || options+=(--share "${plugin%/*}")
            shift 2
            ;;
        --?*)
            (($# > 1)) || die "$1 needs a value" 'try --help'
            options+=("$1" "$2")
            shift 2
            ;;
        *) die "unknown argument $1" 'try --help' ;;
    esac
done

"$here/install.sh" iproute2 iputils-ping netcat-openbsd nftables tcpdump
if [[ ! $plugin ]]; then
    "$here/build.sh" release ipip
    plugin=$root/build/release/bin/ipip
fi

colour=''
[[ ! -t 1 || ${NO_COLOR-} || ${TERM-dumb} == dumb ]] || colour=--colour
exec "$here/with-ipip.sh" "${options[@]}" -- "$here/demo/scene.sh" $colour "$plugin"
