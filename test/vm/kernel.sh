#!/bin/bash
# Brings a Debian kernel and makes it ready to boot in the virtual machine.
#
#   test/vm/kernel.sh PACKAGE [SUITE]
#
# Prints the directory that holds the result:
#   vmlinux       the kernel, uncompressed: QEMU starts that directly (PVH)
#   lib/modules   its modules, without those for hardware the machine lacks
#   base.cpio     the greater part of an initramfs: busybox, the first modules
#   busybox       the same once more, to make the rest with
# It is made once and stays in the cache; nothing of it goes to /boot or /lib.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
readonly here
readonly package=$1 suite=${2-}
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipip-cni/vm
# Raise it when a change here makes what lies in the caches unfit.
readonly format=1
# Points to what PACKAGE of SUITE was when it was prepared.
readonly current=$cache/current-${suite:-default}-$package.$format

# What the guest needs to mount its root; the rest is loaded from there.
readonly first_modules=(9p 9pnet_virtio virtio_pci overlay)
# The modules worth keeping: the others drive hardware.
readonly kept_modules=(arch block crypto fs lib mm net drivers/{net,vhost,virtio})
readonly dropped_modules=(drivers/net/{arcnet,can,ethernet,wireless})

die() {
    printf 'kernel.sh: %s\n' "$@" >&2
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

# Prints the machine's archives of Debian: a URI and a suite in each line. Others
# have no kernel for us, and know nothing of other suites.
print_archives() {
    # shellcheck disable=SC2016  # apt expands it
    apt-get indextargets --format '$(REPO_URI) $(CODENAME)' \
        'Origin: Debian' 'Component: main' 'Created-By: Packages' | sort -u
}

# Makes a directory in which apt can work without touching the system, and sets
# the array "apt" to the options for that. Its archives are the machine's own,
# and the same ones' other suite if that is asked for.
set_up_apt() {
    local dir=$cache/apt-${suite:-default} keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    local uri codename
    # Without any package lists apt does not know whose its archives are.
    [[ $(print_archives) ]] || ((EUID != 0)) || run 'apt-get update' apt-get update
    mkdir -p "$dir/lists/partial" "$dir/archives/partial"
    while read -r uri codename; do
        echo "deb [arch=amd64 signed-by=$keyring] $uri $codename main"
        # Archives of updates are beside the main one, and have no other suites.
        [[ ! $suite || $codename == *-* ]] ||
            echo "deb [arch=amd64 signed-by=$keyring] $uri $suite main"
    done < <(print_archives) >"$dir/sources.list"
    [[ -s $dir/sources.list ]] || die "apt knows no archive of Debian, which the kernel is to come from" \
        'put one into /etc/apt/sources.list.d and run, as root: apt-get update'

    apt=(-o "Dir::State=$dir" -o Dir::State::status=/dev/null -o "Dir::Cache=$dir"
        -o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o "APT::Default-Release=$suite" -o APT::Sandbox::User=root -o Acquire::Retries=3)
    run "fetching the package lists${suite:+ of $suite}" apt-get "${apt[@]}" update
}

# Prints a field of the newest version of a package.
field() {
    apt-cache "${apt[@]}" show --no-all-versions "$2" 2>/dev/null | sed -n "s/^$1: //p"
}

# Prints the packages of certain names that a package depends on.
depends() {
    field Depends "$1" | tr '|' ',' | tr ',' '\n' | sed -nE "s/^ *($2-[0-9][^ ]*).*/\1/p"
}

# Prints a little-endian number: of so many bytes, at a place in a file.
peek() {
    od -An -v -t "u$3" -j "$(($2))" -N "$3" "$1" | tr -d ' '
}

# Prints the kernel out of a bzImage. Where it lies is told by the header, see
# "The Linux/x86 Boot Protocol" in the kernel's documentation.
unpack_kernel() {
    local start length unpack
    start=$((($(peek "$1" 0x1f1 1) + 1) * 512 + $(peek "$1" 0x248 4)))
    length=$(peek "$1" 0x24c 4)
    case $(printf '%x' "$(peek "$1" $start 4)") in
        587a37fd) unpack=xz ;;
        fd2fb528) unpack=zstd ;;
        *) die "$package has a kernel that is compressed neither by xz nor by zstd" ;;
    esac
    # The last four bytes are the unpacked size.
    head -c "$((start + length - 4))" "$1" | tail -c "$((length - 4))" | "$unpack" -dcq
}

# Moves the modules worth keeping from one tree to another.
keep_modules() {
    local from=$1 to=$2 dir
    mkdir -p "$to/kernel/drivers"
    for dir in "${dropped_modules[@]}"; do
        rm -rf "$from/kernel/$dir"
    done
    for dir in "${kept_modules[@]}"; do
        [[ ! -d $from/kernel/$dir ]] || mv "$from/kernel/$dir" "$to/kernel/$dir"
    done
    mv "$from"/modules.* "$to/"
    # Unpacking is slow in emulation, and busybox cannot.
    find "$to" -name '*.ko.xz' -print0 | xargs -0r -n 64 -P "$(nproc)" xz -d
}

# Makes base.cpio: busybox, the first modules and the order to load them in.
make_base() {
    local tree=$1 release=$2 base=$work/base module file
    mkdir -p "$base"/{dev,fresh,lower,modules,proc,root,scratch}
    for module in "${first_modules[@]}"; do
        modprobe --dirname "$tree" --set-version "$release" --show-depends "$module" ||
            die "$package lacks the module $module, which the virtual machine needs"
    done | sed -n 's/^insmod //p' | awk '!seen[$1]++ { print $1 }' >"$work/order"
    while read -r file; do
        cp "$file" "$base/modules/"
        echo "${file##*/}"
    done <"$work/order" >"$base/modules/order"
    mv "$(find "$work/deb" -type f -path '*/bin/busybox')" "$base/busybox"
    (cd "$base" && find . | ./busybox cpio -o -H newc -R 0:0 2>/dev/null) >"$tree/base.cpio"
    mv "$base/busybox" "$tree/busybox"
}

# Prepares a kernel in a new directory, which it prints.
prepare() {
    local tree=$work/tree release modules deb
    (cd "$work" && run "downloading $1" apt-get "${apt[@]}" download "$@" busybox-static)
    for deb in "$work"/*.deb; do
        dpkg-deb -x "$deb" "$work/deb"
        rm "$deb"
    done
    modules=$(find "$work/deb" -path '*/lib/modules/*/kernel' -printf '%h\n' -prune)
    release=${modules##*/}
    mkdir -p "$tree/lib/modules/$release"
    keep_modules "$modules" "$tree/lib/modules/$release"
    depmod --basedir "$tree" "$release"
    make_base "$tree" "$release"
    # It lies in /boot or, newer, with the modules.
    unpack_kernel "$(find "$work/deb" -type f -name 'vmlinuz*')" >"$tree/vmlinux"
}

main() {
    if [[ -d $current ]]; then
        readlink -f "$current"
        return
    fi
    "$here/../install.sh" kmod xz-utils zstd

    # One at a time; the others then find the work done.
    mkdir -p "$cache"
    exec {lock}>"$cache/lock"
    flock "$lock"
    if [[ ! -d $current ]]; then
        # Whatever is left here comes from a preparation that was cut short.
        rm -rf "$cache"/.new.*
        work=$(mktemp -d "$cache/.new.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        set_up_apt

        # "linux-image-amd64" only names the package of the newest kernel, and
        # that one may be only the sum of linux-base-*, linux-binary-*, linux-modules-*.
        local image parts version
        image=$(depends "$package" linux-image | head -n 1)
        image=${image:-$package}
        version=$(field Version "$image")
        [[ $version ]] || die "there is no package $image in ${suite:-this suite}"
        mapfile -t parts < <(depends "$image" 'linux-(base|binary|modules)')
        local name=${image}_$version.$format
        if [[ ! -d $cache/$name ]]; then
            echo "kernel.sh: preparing $image $version, once" >&2
            prepare "$image" "${parts[@]}"
            mv -T "$work/tree" "$cache/$name"
        fi
        ln -s "$name" "$work/current"
        mv -T "$work/current" "$current"
    fi
    readlink -f "$current"
}

main
