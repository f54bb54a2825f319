# shellcheck shell=bash disable=SC2154 # of cluster.sh, and for it
# The agents are replaced while pods talk.

# Starts a ping in a pod, five times a second, until end_ping.
begin_ping() {
    in_pod "$1" sh -c "ping -i 0.2 $2 >/srv/ping 2>&1 </dev/null & echo \$! >/srv/ping.pid"
}

end_ping() {
    # shellcheck disable=SC2016 # the pod's shell expands it
    in_pod "$1" sh -c 'kill -INT $(cat /srv/ping.pid) || exit
        until grep -q transmitted /srv/ping; do usleep 100000; done; cat /srv/ping' >"$dir/ping"
}

# Whether each request up to the last that was answered was. Later ones may have been on their
# way when the ping was ended.
lost_none() {
    sed -n 's/.* seq=\([0-9]*\) .*/\1/p' "$dir/ping" |
        awk -v least="$1" '$1 != NR - 1 { print "no answer to " (NR - 1); exit bad = 1 }
            END { print NR " answers"; exit bad || NR < least }'
}

heading '3. a rolling update of the agents while pods talk'
check "a ping from $web to $db begins" begin_ping "$web" "$(address_of "$db")"
old=$(agent_on node2) || true
show kubectl --namespace kube-system rollout restart "$agents"
check 'new agents run on every node' is_rolled_out "$agents" kube-system
check 'they are others' not same "$old" "$(agent_on node2)"
check 'the ping ends' end_ping "$web"
show tail -n 4 "$dir/ping"
check 'no packet was lost' lost_none 50
check 'the mesh needed no repair' same 0 "$(metric node1 'ipip_repairs_total.*')"
