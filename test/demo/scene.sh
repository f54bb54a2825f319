#!/bin/bash
# The scene that demo.sh shows, on a kernel that has ipip. Needs root.
#
#   test/demo/scene.sh [--colour] PLUGIN
#
# Everything happens in namespaces that are gone when it ends.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
readonly config=examples/two-hosts.json
# Where snapshots and the transferred data lie: a /run of our own.
readonly work=/run
readonly payload_size=4M port=5000
# Seconds to wait for another process to say what it must, and for what was sent.
readonly patience=20 brief=5

# shellcheck source=test/demo/hosts.sh
. "$here/hosts.sh"

# The scene, as examples/two-hosts.json has it.
declare -rA underlay=([host1]=172.16.5.126 [host2]=172.16.5.127)
declare -rA endpoint=([host1]=10.10.100.10 [host2]=10.10.200.10)
declare -rA prefix=([host1]=10.10.100 [host2]=10.10.200) # of the pods, a /24
declare -rA other=([host1]=host2 [host2]=host1)
declare -rA pod_on=([host1]=pod1 [host2]=pod2)

# Found out on the way.
declare -A pod_address=() device=()

passed=0 failed=()
bold='' dim='' green='' red='' plain=''

use_colour() {
    bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
}

heading() {
    printf '\n%s== %s%s\n' "$bold" "$1" "$plain"
}

# command WHERE WORDS: what is about to be run there.
command_line() {
    printf '%s%s#%s %s\n' "$dim" "$1" "$plain" "$2"
}

indent() {
    local line
    while IFS= read -r line; do
        [[ ! $line ]] || printf '    %s\n' "$line"
    done
}

# verify WHAT COMMAND...: notes whether the command succeeds.
verify() {
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        printf '%sok%s    %s\n' "$green" "$plain" "$what"
    else
        failed+=("$what")
        printf '%sFAIL%s  %s\n' "$red" "$plain" "$what"
    fi
}

contains() {
    [[ $1 == *"$2"* ]]
}

matches() {
    [[ $1 =~ $2 ]]
}

# has HOST PATTERN: whether the kernel, when last looked at, had such a line.
has() {
    local line
    while IFS= read -r line; do
        [[ ! $line =~ $2 ]] || return 0
    done <"$work/$1.with-pod"
    return 1
}

# Prints an address so that it means itself in a pattern.
literal() {
    echo "${1//./\\.}"
}

# await FD WORDS: reads lines up to one with the words, which it leaves in $line.
await() {
    while IFS= read -r -t "$patience" -u "$1" line; do
        [[ $line != *"$2"* ]] || return 0
    done
    return 1
}

# rest FD: reads the lines to the end into $text.
rest() {
    text=''
    while IFS= read -r -t "$brief" -u "$1" line; do
        text+=$line$'\n'
    done
}

# Prints the plugin's result with each interface, address and route in a line.
compact() {
    local line open='' text=''
    while IFS= read -r line; do
        case $line in
            '        {') open=1 && text+=$'\n'$line ;;
            '        }'*) open='' && text+=${line##* } ;;
            *)
                if [[ ! $open ]]; then
                    text+=$'\n'$line
                elif [[ $text == *'{' ]]; then
                    text+=${line#            }
                else
                    text+=' '${line#            }
                fi
                ;;
        esac
    done
    printf '%s\n' "${text#$'\n'}"
}

# look WHEN: notes what the kernel has, to be shown and compared.
look() {
    local when=$1 name jobs=() job
    for name in host1 host2 pod1 pod2; do
        snapshot "$name" >"$work/$name.$when" &
        jobs+=($!)
    done
    for job in "${jobs[@]}"; do
        wait "$job"
    done
}

introduce() {
    heading 'Two hosts on one wire, a pod on each'
    cat <<'END'

    pod1                                                                    pod2
     |                                                                       |
    host1  10.10.100.10 ============ IPIP tunnel ============ 10.10.200.10  host2
           172.16.5.126 -------------- the wire ------------- 172.16.5.127
END
    make_wire
    for host in host1 host2; do
        make_host "$host" "${underlay[$host]}/24"
    done
    make_pods pod1 pod2
    look before
    heading "The network configuration, the same on both hosts: $config"
    indent <"$config"
}

# call VERB HOST: sets result, and returns the plugin's status.
call() {
    local pod=${pod_on[$2]} status=0
    command_line "$2" "CNI_COMMAND=$1 CNI_CONTAINERID=$pod CNI_NETNS=/run/netns/$pod CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin ipip < two-hosts.json"
    result=$(
        export CNI_COMMAND=$1 CNI_CONTAINERID=$pod CNI_NETNS=/run/netns/$pod CNI_IFNAME=eth0
        export CNI_PATH=/opt/cni/bin
        on_host "$2" "$plugin" <"$config" 2>"$work/log"
    ) || status=$?
    [[ ! $result ]] || compact <<<"$result" | indent
    if ((status != 0)); then
        echo "its exit status: $status; its log:"
        indent <"$work/log"
    fi
    return "$status"
}

add() {
    local host=$1 found
    found="\"address\": \"($(literal "${prefix[$1]}")\.[0-9]+)/32\""
    verify "ADD on $host succeeds" call ADD "$host"
    verify "the result gives ${pod_on[$host]} an address of $host's pods" matches "$result" "$found"
    pod_address[$host]=${BASH_REMATCH[1]-}
    verify "the result gives it $host's tunnel endpoint as the gateway" contains "$result" "\"gateway\": \"${endpoint[$host]}\""
}

# show HOST: what the kernel has, as "ip" and "nft" say it.
show() {
    local host=$1 what kind line
    for what in 'ip -d link' 'ip address' 'ip route' 'nft list ruleset'; do
        command_line "$host" "$what"
        kind=${what##* }
        [[ $what != nft* ]] || kind=nft
        while IFS= read -r line; do
            [[ $line == "$kind "* ]] || continue
            line=${line#"$kind "}
            # Every machine has these.
            [[ $line != 'lo: <'* && ! $line =~ ^lo\ .*\ scope\ host ]] || continue
            indent <<<"${line//\\/$'\n'}"
        done <"$work/$host.with-pod"
    done
}

examine() {
    local host=$1 peer=${other[$1]} line here there
    here=$(literal "${underlay[$host]}") there=$(literal "${underlay[$peer]}")
    heading "What the kernel of $host has, shortened"
    show "$host"
    while IFS= read -r line; do
        [[ ! $line =~ ^link\ (ipip-[^@:]*) ]] || device[$host]=${BASH_REMATCH[1]}
    done <"$work/$host.with-pod"
    local tunnel=${device[$host]-none}
    verify "$host: a tunnel from ${underlay[$host]} to ${underlay[$peer]}, up, 20 bytes for the outer header" \
        has "$host" "^link $tunnel.*[<,]UP.* mtu 1480.* ipip .*remote $there local $here "
    verify "$host: from endpoint ${endpoint[$host]} to ${endpoint[$peer]}" \
        has "$host" "^address $tunnel +inet $(literal "${endpoint[$host]} peer ${endpoint[$peer]}")/32"
    verify "$host: $peer's pods through it, with the endpoint as source" \
        has "$host" "^route $(literal "${prefix[$peer]}.0/24") dev $tunnel proto 94.* src $(literal "${endpoint[$host]}")"
    verify "$host: its pod by a route to its own address" \
        has "$host" "^route $(literal "${pod_address[$host]}") dev veth[0-9a-f]{11} proto 94"
}

ping_other() {
    local from=$1 to=${pod_address[${other[$1]}]} answer
    command_line "${pod_on[$from]}" "ping -c 3 $to"
    answer=$(on "${pod_on[$from]}" ping -n -c 3 -i 0.2 -W 3 "$to" 2>&1) || true
    indent <<<"$answer"
    verify "${pod_on[$from]} reaches ${pod_on[${other[$from]}]}" contains "$answer" ' 3 received'
}

# The echo request and its answer, once within the tunnel, once on the wire.
capture() {
    local from=${pod_address[host1]} to=${pod_address[host2]} inside outside line text ends
    local -a dump=(tcpdump -t -n -v -l --immediate-mode -Z root -c 2)
    exec {inside}< <(on host1 "${dump[@]}" -i "${device[host1]}" ip 2>&1)
    exec {outside}< <(on wire "${dump[@]}" -i host1 ip 2>&1)
    await "$inside" 'listening on' || true
    await "$outside" 'listening on' || true
    command_line pod1 "ping -c 1 $to"
    on pod1 ping -n -q -c 1 -W 3 "$to" >/dev/null || true
    from=$(literal "$from") to=$(literal "$to") ends="$(literal "${underlay[host1]} > ${underlay[host2]}")"

    echo 'In the tunnel, the plain packet:'
    command_line host1 "tcpdump -n -v -i ${device[host1]} ip"
    rest "$inside"
    captured "$text" | indent
    verify 'in the tunnel: the pods talk to each other, nothing around it' \
        matches "$text" "proto ICMP \(1\)[^>]* +$from > $to: ICMP echo request"
    echo 'On the wire, the same packet with the outer header around it:'
    command_line wire 'tcpdump -n -v -i host1 ip'
    rest "$outside"
    captured "$text" | indent
    verify "on the wire: IP protocol 4, from host to host, and in it the pods' packet" \
        matches "$text" "^[^>]*proto IPIP \(4\)[^>]* +$ends: IP [^>]*proto ICMP \(1\)[^>]* +$from > $to: ICMP echo request"
}

# captured TEXT: prints it without what tcpdump says about itself.
captured() {
    local line
    while IFS= read -r line; do
        case $line in
            '' | 'tcpdump: '* | [0-9]*' packet'*) ;;
            *) printf '%s\n' "$line" ;;
        esac
    done <<<"$1"
}

transfer() {
    local server line text='' to=${pod_address[host2]} started ended sums
    head -c "$payload_size" /dev/urandom >"$work/sent"
    command_line pod2 "nc -l $port > received"
    exec {server}< <(on pod2 nc -d -l -n -v "$port" 2>&1 >"$work/received" </dev/null)
    await "$server" Listening || true
    command_line pod1 "nc -N $to $port < sent"
    started=${EPOCHREALTIME/./}
    on pod1 nc -n -N -w "$brief" "$to" "$port" <"$work/sent" || true
    rest "$server"
    ended=${EPOCHREALTIME/./}
    indent <<<"${text%$'\n'}"
    sums=$(cd "$work" && sha256sum sent received) || true
    indent <<<"$sums"
    local -a words
    read -ra words <<<"${sums//$'\n'/ }"
    verify "$payload_size over TCP arrive whole, in $(((ended - started) / 1000)) ms" \
        test "${words[0]}" = "${words[2]-}"
    verify 'pod2 sees the address of pod1 and no other' contains "$text" " ${pod_address[host1]} "
}

# Prints how many lines of each kind the snapshots have.
count() {
    local name=$1 when=$2 kind rest
    local -A count=()
    while read -r kind rest; do
        count[$kind]=$((${count[$kind]-0} + 1))
    done <"$work/$name.$when"
    printf '%-6s %-9s %5s %9s %6s %5s %10s %7s %9s\n' "$name" "$when" "${count[link]-0}" "${count[address]-0}" \
        "${count[route]-0}" "${count[rule]-0}" "${count[neighbour]-0}" "${count[sysctl]-0}" "${count[nft]-0}"
}

compare() {
    local name when
    printf '%-6s %-9s %5s %9s %6s %5s %10s %7s %9s\n' '' '' links addresses routes rules neighbours sysctls 'nft lines'
    for name in host1 host2 pod1 pod2; do
        for when in before with-pod after; do
            count "$name" "$when"
        done
    done
    for name in host1 host2 pod1 pod2; do
        verify "$name is what it was before, in every line" same "$name"
    done
}

same() {
    diff -u "$work/$1.before" "$work/$1.after"
}

verdict() {
    local text what
    if ((${#failed[@]} == 0)); then
        printf '\n%s%sPASS%s: all %d checks, on Linux %s\n' "$bold" "$green" "$plain" "$passed" "$(</proc/sys/kernel/osrelease)"
        return 0
    fi
    printf '\n%s%sFAIL%s: %d of %d checks:\n' "$bold" "$red" "$plain" "${#failed[@]}" "$((passed + ${#failed[@]}))"
    printf '    %s\n' "${failed[@]}"
    return 1
}

main() {
    local result='' host
    trap 'echo "${bold}${red}FAIL${plain}: the demo broke off"' EXIT
    introduce
    heading 'ADD, as a container runtime calls it'
    add host1
    add host2
    look with-pod
    examine host1
    examine host2
    if [[ ${pod_address[host1]} && ${pod_address[host2]} ]]; then
        heading 'Ping, both ways'
        ping_other host1
        ping_other host2
        heading 'A packet from pod1 to pod2'
        capture
        heading 'A TCP transfer'
        transfer
    else
        heading 'No ping, no capture, no transfer: a pod has no address'
    fi
    heading 'DEL on both hosts'
    verify 'DEL on host1 succeeds' call DEL host1
    verify 'DEL on host2 succeeds' call DEL host2
    look after
    heading 'What is left'
    compare
    trap - EXIT
    verdict
}

cd "$here/../.."
case ${1-} in
    --inside)
        shift
        if [[ $1 == --colour ]]; then
            use_colour
            shift
        fi
        plugin=$1
        main
        ;;
    *) isolate "$0" --inside "$@" ;;
esac
