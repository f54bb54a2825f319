# shellcheck shell=bash disable=SC2034,SC2154 # of cluster.sh, and for it
# What is shown, and what is checked. For ../cluster.sh, which sources it; the output is made to
# be kept.

passed=0 failed=0
# What the last check's command said.
readonly said=$dir/said

heading() {
    printf '\n== %s (%d s)\n' "$1" "$SECONDS"
}

# show COMMAND...: runs it, and prints both it and what it says.
show() {
    local words=${*//"$root/"/}
    printf '\n$ %s\n' "${words//"$dir/"/}"
    "$@" 2>&1 | sed 's/^/  /' || echo "  (exit status ${PIPESTATUS[0]})"
}

# at NODE COMMAND...: the same on a node.
at() {
    printf '\n%s# %s\n' "$1" "${*:2}"
    on "$@" 2>&1 | sed 's/^/  /' || echo "  (exit status ${PIPESTATUS[0]})"
}

# check WHAT COMMAND...: what the command says matters only if it fails.
check() {
    local what=$1 verdict=PASS begin=$SECONDS
    shift
    "$@" >"$said" 2>&1 </dev/null || verdict=FAIL
    printf '%s  %s (%d s)\n' "$verdict" "$what" "$((SECONDS - begin))"
    if [[ $verdict == PASS ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        tail -n 40 "$said" | sed 's/^/      | /'
    fi
}

# within SECONDS COMMAND...: tries until it succeeds.
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >"$said.try" 2>&1; do
        if ((SECONDS >= end)); then
            cat "$said.try"
            return 1
        fi
        sleep 0.5
    done
    cat "$said.try"
}

# not COMMAND...
not() {
    ! "$@"
}

# same WANTED FOUND
same() {
    echo "is: $2, not: $1"
    [[ $1 == "$2" ]]
}

# verdict: whether every step held.
verdict() {
    printf '\n%d passed, %d failed, %d s\n' "$passed" "$failed" "$SECONDS"
    ((failed == 0 && passed > 0))
}
