# shellcheck shell=bash
# What the scripts share that make something out of Debian's packages, once, and keep it in
# the cache. To be sourced.

# The directory of the work under way, and apt's options for it.
work='' apt=()
# What the caller is called: its path in test/.
self=$(realpath --relative-to="$(dirname "${BASH_SOURCE[0]}")" "$0")
readonly self

say() {
    printf '%s\n' "${@/#/$self: }" >&2
}

die() {
    say "$@"
    exit 1
}

# run WHAT COMMAND [ARG...]: its output matters only if it fails.
run() {
    local what=$1
    shift
    "$@" >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        die "$what failed, see above"
    }
}

# Waits until nobody else is at work in the directory CACHE, which it makes.
lock_cache() {
    mkdir -p "$1"
    exec {lock}>"$1/lock"
    flock "$lock"
}

# Sets "work" to a new directory in CACHE, whose lock we have. It goes when the script ends.
begin_work() {
    # Whatever is left here comes from work that was cut short.
    rm -rf "$1"/.new.*
    work=$(mktemp -d "$1/.new.XXXXXX")
    # Go makes directories that cannot be written.
    trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
}

# Prints the machine's archives of Debian: a URI and a suite in each line. Those of others
# know nothing of Debian's suites.
print_archives() {
    # shellcheck disable=SC2016  # apt expands it
    apt-get indextargets --format '$(REPO_URI) $(CODENAME)' \
        'Origin: Debian' 'Component: main' 'Created-By: Packages' | sort -u
}

# set_up_apt DIR [SUITE [deb-src]]: makes a directory in which apt can work without touching
# the system, and sets the array "apt" to the options for that. Its archives are the machine's
# own, and the same ones' SUITE, which then comes first; with deb-src, their sources as well.
set_up_apt() {
    local dir=$1 other=${2-} source=${3-} keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    local uri codename each type
    # Without any package lists apt does not know whose its archives are.
    [[ $(print_archives) ]] || ((EUID != 0)) || run 'apt-get update' apt-get update
    mkdir -p "$dir/lists/partial" "$dir/archives/partial"
    while read -r uri codename; do
        # Archives of updates are beside the main one, and have no other suites.
        [[ $codename == *-* ]] || codename+=" $other"
        for each in $codename; do
            for type in deb $source; do
                echo "$type [arch=amd64 signed-by=$keyring] $uri $each main"
            done
        done
    done < <(print_archives) >"$dir/sources.list"
    [[ -s $dir/sources.list ]] || die 'apt knows no archive of Debian, which is needed here' \
        'put one into /etc/apt/sources.list.d and run, as root: apt-get update'

    apt=(-o "Dir::State=$dir" -o Dir::State::status=/dev/null -o "Dir::Cache=$dir"
        -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "APT::Default-Release=$other" -o APT::Sandbox::User=root -o Acquire::Retries=3)
    run "fetching the package lists${other:+ of $other}" apt-get "${apt[@]}" update
}

# unpack DIR PACKAGE...: downloads packages and unpacks them there, without installing them.
unpack() {
    local dir=$1 deb
    shift
    mkdir "$work/debs"
    (cd "$work/debs" && run "downloading $1" apt-get "${apt[@]}" download "$@")
    for deb in "$work"/debs/*.deb; do
        dpkg-deb -x "$deb" "$dir"
    done
    rm -r "$work/debs"
}

# Prints a field of the newest version of a package.
field() {
    apt-cache "${apt[@]}" show --no-all-versions "$2" 2>/dev/null | sed -n "s/^$1: //p"
}
