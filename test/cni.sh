#!/bin/bash
# Calls the plugin by hand, as a container runtime would, on hosts and pods made
# of namespaces, and shows the request, the answer and what changed in the kernel.
# Needs root.
#
#   test/cni.sh host NAME ADDRESS/LENGTH  makes a host, on the wire that all share
#   test/cni.sh pod NAME...               makes pods, on no host yet
#   test/cni.sh add|check|del --pod NAME [OPTION]...
#   test/cni.sh gc [--pod NAME]...        the pods that are still wanted: these,
#                                         or without any all that were added
#   test/cni.sh status|version [OPTION]...
#   test/cni.sh show [NAME]...            what the kernel has there, or everywhere
#   test/cni.sh exec NAME COMMAND...      runs it on a host or in a pod
#   test/cni.sh clean                     removes all that the above made
#   test/cni.sh session [FILE]            takes such lines (add --pod web) from the
#                                         terminal or FILE; what they make lasts as
#                                         long. Where this kernel lacks ipip they
#                                         run on one that has it, in a virtual machine
#
#   --host NAME       default: where the pod was added, or the only host
#   --config FILE     default: as at its ADD, or examples/one-host.json
#   --ifname NAME     default: eth0
#   --args CNI_ARGS   such as 'K8S_POD_NAMESPACE=default;K8S_POD_NAME=web'
#   --capability JSON such as '{"ips": ["10.10.100.20"]}'; becomes "runtimeConfig"
#   --plugin FILE     default: build/release/bin/ipip
#   --brief           without the request
#
# A host is a network namespace of that name, a pod one too; "ip -n NAME" looks into
# them. What a host has in /run/ipip-cni lies in /run/ipip-cni-hosts/NAME. The
# container's ID is the pod's name. The result of the last ADD goes with CHECK and
# DEL as "prevResult". A call's exit status is the plugin's. One host, on any kernel:
#
#   test/cni.sh host host1 172.16.5.126/24
#   test/cni.sh pod web
#   test/cni.sh add --pod web
#   test/cni.sh exec web ping -c 1 10.10.100.1
#   test/cni.sh del --pod web
#   test/cni.sh clean
#
# Two hosts, and so tunnels: test/cni.sh session examples/two-hosts.session
set -euo pipefail

self=$(readlink -f "$0")
here=$(dirname "$self")
root=$(dirname "$here")

# shellcheck source=test/demo/hosts.sh
. "$here/demo/hosts.sh"
# shellcheck source=test/demo/session.sh
. "$here/demo/session.sh"

# Beside the hosts, whose names begin with no dot: a file for each pod, and for
# each attachment HOST:POD:INTERFACE its configuration and its result.
pods=$hosts/.pods
attachments=$hosts/.attachments
# Set in a session, where all that is needed was brought before.
prepared=''

die() {
    printf 'cni.sh: %s\n' "$@" >&2
    exit 2
}

usage() {
    sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$self"
}

indent() {
    local line
    while IFS= read -r line || [[ $line ]]; do
        printf '    %s\n' "$line"
    done
}

# Prints JSON with what fits in a line in a line; anything else as it is.
pretty() {
    local text
    text=$(</dev/stdin)
    # shellcheck disable=SC2016  # the variables are jq's
    jq -r '
        def lines($margin; $open; $close):
            [.[] | $margin + "  " + .] | $open + "\n" + join(",\n") + "\n" + $margin + $close;
        def show($margin):
            if type != "object" and type != "array" or (tojson | length) < 80 then tojson
            elif type == "array" then [.[] | show($margin + "  ")] | lines($margin; "["; "]")
            else [to_entries[] | (.key | tojson) + ": " + (.value | show($margin + "  "))] | lines($margin; "{"; "}")
            end;
        show("")' <<<"$text" 2>/dev/null || printf '%s\n' "$text"
}

# Joins the parts of a snapshot's lines, which "ip" would show below each other.
unfold() {
    local line
    while IFS= read -r line; do
        while [[ $line =~ \\\ + ]]; do
            line=${line/"${BASH_REMATCH[0]}"/ }
        done
        printf '%s\n' "$line"
    done
}

# Whether a host is there.
is_host() {
    [[ -d $hosts/$1 ]]
}

is_pod() {
    [[ -f $pods/$1 ]]
}

# Prints the names of the hosts, a line each; of the pods; of both.
list_hosts() {
    local file
    for file in "$hosts"/*; do
        [[ ! -d $file ]] || basename "$file"
    done
}

list_pods() {
    local file
    for file in "$pods"/*; do
        [[ ! -f $file ]] || basename "$file"
    done
}

# A name serves as an interface's on the wire too.
check_name() {
    [[ $1 =~ ^[a-z][a-z0-9-]{0,14}$ && $1 != wire ]] ||
        die "\"$1\" is no name for it; use at most 15 lower-case letters, digits and dashes, a letter first"
    [[ ! -e /run/netns/$1 ]] || die "there is a network namespace $1 already (ip netns list)"
}

prepare() {
    [[ ! $prepared ]] || return 0
    ((EUID == 0)) || die 'namespaces are made by root only; run it as root'
    "$here/install.sh" iproute2 jq nftables
}

# prepare_wire: the first host or pod brings what all share.
prepare_wire() {
    [[ ! -d $hosts ]] || return 0
    [[ ! -e /run/netns/wire ]] || die 'there is a network namespace "wire" already, which this uses for its own'
    local made=''
    [[ -e /run/ipip-cni ]] || made=1
    make_wire
    mkdir "$pods" "$attachments"
    [[ ! $made ]] || : >"$hosts/.made-state-dir"
}

host() {
    (($# == 2)) || die 'usage: test/cni.sh host NAME ADDRESS/LENGTH'
    [[ $2 == */* ]] || die "$2 has no length; write an address such as 172.16.5.126/24"
    check_name "$1"
    prepare_wire
    make_host "$1" "$2"
    echo "$1 is a host, with $2 on u0"
}

pod() {
    (($# > 0)) || die 'usage: test/cni.sh pod NAME...'
    local name
    for name in "$@"; do
        check_name "$name"
        prepare_wire
        make_pods "$name"
        : >"$pods/$name"
        echo "$name is a pod, on no host yet"
    done
}

# Fills the variables that the options of a call stand for.
parse_call() {
    host_name='' config='' interface=eth0 args='' capability='' brief=''
    plugin=${IPIP_PLUGIN:-$root/build/release/bin/ipip}
    wanted=()
    while (($# > 0)); do
        case $1 in
            --brief)
                brief=1
                shift
                continue
                ;;
            --*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
        esac
        (($# > 1)) || die "$1 needs a value, or is unknown; try --help"
        case $1 in
            --host) host_name=$2 ;;
            --pod) wanted+=("$2") ;;
            --config) config=$2 ;;
            --ifname) interface=$2 ;;
            --args) args=$2 ;;
            --capability) capability=$2 ;;
            --plugin) plugin=$2 ;;
            *) die "unknown option $1; try --help" ;;
        esac
        shift 2
    done
    [[ $plugin != "$root/build/release/bin/ipip" || -x $plugin ]] || "$here/build.sh" release ipip
    [[ -x $plugin ]] || die "there is no program $plugin"
}

# Sets host_name where it was not given: for a pod that was added, or the only one.
choose_host() {
    local found
    if [[ ! $host_name ]]; then
        found=("$attachments"/*:"${wanted[0]-}:$interface.json")
        if [[ -e ${found[0]} ]]; then
            ((${#found[@]} == 1)) || die 'it was added on several hosts; say which: --host NAME'
            host_name=${found[0]##*/}
            host_name=${host_name%%:*}
        else
            mapfile -t found < <(list_hosts)
            ((${#found[@]} > 0)) || die 'there is no host; make one: test/cni.sh host host1 172.16.5.126/24'
            ((${#found[@]} == 1)) || die "there are several hosts (${found[*]}); say which: --host NAME"
            host_name=${found[0]}
        fi
    fi
    is_host "$host_name" || die "there is no host $host_name; make it: test/cni.sh host $host_name ADDRESS/LENGTH"
}

# Prints the configuration as libcni passes it on: of a list the first plugin, with
# the list's name and version; what is known since the ADD; what the verb takes.
# What is no JSON goes as it is, so that one can see what the plugin makes of it.
compose() {
    local verb=$1 result=null valid=null filter
    # shellcheck disable=SC2016  # the variables are jq's
    filter='
        def older: (.cniVersion // "0.1.0") | test("^0\\.[0-3]\\.");
        if .plugins then .plugins[0] + {name, cniVersion} else . end
        | if $capability != null then .runtimeConfig = $capability else . end
        | if $result != null and (older | not) then .prevResult = $result else . end
        | if $valid != null then .["cni.dev/valid-attachments"] = $valid else . end'
    [[ $verb != CHECK && $verb != DEL || ! -e $attachment.json ]] || result=$(<"$attachment.json")
    [[ $verb != GC ]] || valid=$(list_valid)
    if [[ ! $capability && $result == null && $valid == null ]] && ! grep -q '"plugins"' "$config"; then
        cat "$config"
    else
        jq --argjson capability "${capability:-null}" --argjson result "$result" --argjson valid "$valid" \
            "$filter" "$config" 2>/dev/null || cat "$config"
    fi
}

# Prints the attachments that a garbage collection on this host is to keep, as JSON.
list_valid() {
    local file name
    for file in "$attachments/$host_name":*.json; do
        [[ -e $file ]] || continue
        name=${file##*/}
        name=${name%.json}
        name=${name#*:}
        ((${#wanted[@]} == 0)) || [[ " ${wanted[*]} " == *" ${name%%:*} "* ]] || continue
        printf '{"containerID": "%s", "ifname": "%s"}\n' "${name%%:*}" "${name#*:}"
    done | jq -cs .
}

# Prints the variables that the verb takes.
variables() {
    echo "CNI_COMMAND=$1"
    case $1 in
        ADD | CHECK | DEL)
            echo "CNI_CONTAINERID=${wanted[0]}"
            echo "CNI_NETNS=/run/netns/${wanted[0]}"
            echo "CNI_IFNAME=$interface"
            [[ ! $args ]] || echo "CNI_ARGS=$args"
            ;;&
        VERSION) ;;
        *) echo "CNI_PATH=$(dirname "$plugin"):/opt/cni/bin:/usr/lib/cni" ;;
    esac
}

# Notes what the kernel has, where the call may change it.
look() {
    before=$(snapshot "$host_name")
    [[ ! $pod_name ]] || pod_before=$(snapshot "$pod_name")
}

# changes NAME BEFORE: shows what is different there now.
changes() {
    local difference
    difference=$(diff --unchanged-line-format='' --old-line-format='- %L' --new-line-format='+ %L' \
        <(echo "$2") <(snapshot "$1")) || true
    if [[ $difference ]]; then
        echo "changed on $1:"
        unfold <<<"$difference" | indent
    else
        echo "nothing changed on $1"
    fi
}

# Remembers an attachment as a runtime does, or forgets it.
remember() {
    case $1 in
        ADD)
            printf '%s\n' "$2" >"$attachment.json"
            cp "$config" "$attachment.config"
            ;;
        DEL) rm -f "$attachment.json" "$attachment.config" ;;
    esac
}

# call VERB OPTION...
call() {
    local verb=$1 status=0 document answer before='' pod_before='' pod_name='' log line started
    local host_name config interface args capability brief plugin wanted attachment
    local -a environment
    shift
    parse_call "$@"
    case $verb in
        ADD | CHECK | DEL)
            ((${#wanted[@]} == 1)) || die "say for which pod: --pod NAME"
            pod_name=${wanted[0]}
            is_pod "$pod_name" || [[ $verb == DEL ]] || die "there is no pod $pod_name; make it: test/cni.sh pod $pod_name"
            # Its namespace may be gone when a DEL comes.
            [[ -e /run/netns/$pod_name ]] || pod_name=''
            ;;
    esac
    choose_host
    attachment=$attachments/$host_name:${wanted[0]-}:$interface
    if [[ ! $config ]]; then
        config=$root/examples/one-host.json
        [[ $verb == ADD || ! -e $attachment.config ]] || config=$attachment.config
    fi
    [[ -r $config ]] || die "there is no file $config"
    document=$(compose "$verb")
    mapfile -t environment < <(variables "$verb")
    if [[ ! $brief ]]; then
        echo "request, on $host_name:"
        printf '    %s\n' "${environment[@]}"
        pretty <<<"$document" | indent
    fi

    look
    log=$(mktemp)
    started=${EPOCHREALTIME/./}
    answer=$(
        for line in "${environment[@]}"; do
            export "${line?}"
        done
        on_host "$host_name" "$plugin" <<<"$document" 2>"$log"
    ) || status=$?
    echo "answer: exit status $status, after $(((${EPOCHREALTIME/./} - started + 500) / 1000)) ms"
    [[ ! $answer ]] || pretty <<<"$answer" | indent
    if [[ -s $log ]]; then
        echo 'log:'
        indent <"$log"
    fi
    rm -f "$log"
    changes "$host_name" "$before"
    [[ ! $pod_name ]] || changes "$pod_name" "$pod_before"
    ((status != 0)) || remember "$verb" "$answer"
    [[ $status == 0 || ! $answer =~ \"code\":\ 104 ]] ||
        echo 'cni.sh: "test/cni.sh session" does the same on a kernel that has ipip' >&2
    return "$status"
}

show() {
    local name names=("$@")
    ((${#names[@]} > 0)) || mapfile -t names < <(list_hosts && list_pods)
    ((${#names[@]} > 0)) || echo 'there are no hosts and no pods'
    for name in "${names[@]}"; do
        if is_host "$name"; then
            echo "host $name:"
        elif is_pod "$name"; then
            echo "pod $name:"
        else
            die "there is no host or pod $name"
        fi
        snapshot "$name" | unfold | indent
    done
}

execute() {
    local name=${1-}
    shift || true
    [[ ${1-} != -- ]] || shift
    (($# > 0)) || die 'usage: test/cni.sh exec NAME COMMAND...'
    if is_host "$name"; then
        on_host "$name" "$@"
    elif is_pod "$name"; then
        on "$name" "$@"
    else
        die "there is no host or pod $name"
    fi
}

clean() {
    local name
    [[ -d $hosts ]] || return 0
    for name in $(list_hosts) $(list_pods) wire; do
        [[ ! -e /run/netns/$name ]] || ip netns delete "$name"
    done
    [[ ! -e $hosts/.made-state-dir ]] || rmdir --ignore-fail-on-non-empty /run/ipip-cni
    rm -rf "$hosts"
}

main() {
    local verb=${1-}
    shift || true
    case $verb in
        host | pod | show | clean)
            prepare
            "$verb" "$@"
            ;;
        exec)
            prepare
            execute "$@"
            ;;
        add | check | del | gc | status | version)
            prepare
            call "${verb^^}" "$@"
            ;;
        session) session "$@" ;;
        follow) isolate "$self" follow-inside "$@" ;;
        follow-inside)
            prepared=1
            follow "$@"
            ;;
        help | --help | -h) usage ;;
        *) die "${verb:+there is no command $verb; }try --help" ;;
    esac
}

main "$@"
