# shellcheck shell=bash disable=SC2154 # "here", "self" and the functions are cni.sh's
# Many lines of cni.sh in one world that ends with them, in a virtual machine where
# this kernel lacks ipip. For cni.sh, which sources it.

# session [FILE]: brings what the lines will need, and passes them on to where they run.
session() {
    local file=${1-} follower share
    [[ ! $file || -r $file ]] || die "there is no file $file"
    prepare
    [[ ${IPIP_PLUGIN-} ]] || "$here/build.sh" release ipip
    share=$(mktemp -d)
    "$here/with-ipip.sh" --share "$share" -- "$self" follow "$share" "$file" &
    follower=$!
    # shellcheck disable=SC2064  # the process is this one, whatever the name means later
    trap "kill $follower 2>/dev/null || true; wait; rm -rf '$share'" EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [[ $file ]]; then
        pass_on <"$file"
    else
        pass_on
    fi
    wait "$follower"
}

# Passes on the lines of the input, until its end or that of the process which runs
# them. Each goes into a file of its own: that is what two machines who share a
# directory see alike, however they cache.
pass_on() {
    local line status count=0
    while kill -0 "$follower" 2>/dev/null; do
        status=0
        IFS= read -r -t 1 line || status=$?
        ((status <= 128)) || continue
        ((status == 0)) || line=${line:-exit}
        printf '%s\n' "$line" >"$share/new"
        mv "$share/new" "$share/$count"
        [[ $line != exit ]] || break
        count=$((count + 1))
    done
}

# follow DIRECTORY FILE: the other side of session. Runs the lines as they come, and
# fails if one of them did.
follow() {
    local share=$1 file=$2 line words pause count=0 status=0
    exec {pause}<> <(:) # nothing ever comes from there
    echo 'the session is ready; it ends with "exit" or the end of the input; try "help"'
    while true; do
        printf '\ncni> '
        until [[ -e $share/$count ]]; do
            read -r -t 0.1 -u "$pause" line || true
        done
        line=$(<"$share/$count")
        count=$((count + 1))
        [[ ! $file ]] || echo "$line"
        words=()
        set -f
        eval "words=($line"$'\n'')' || status=1
        set +f
        # As it would be typed in a shell.
        [[ ${words[0]-} != *cni.sh ]] || words=("${words[@]:1}")
        case ${words[0]-} in
            '') ;;
            exit) break ;;
            *) (main "${words[@]}") </dev/null || status=1 ;;
        esac
    done
    exit "$status"
}
