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
# shellcheck source-path=SCRIPTDIR source=../archive.sh
source "$here/../archive.sh"
readonly package=$1 suite=${2-}
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipip-cni/vm
# Raise it when a change here makes what lies in the caches unfit.
readonly format=2
# Points to what PACKAGE of SUITE was when it was prepared.
readonly current=$cache/current-${suite:-default}-$package.$format

# What the guest needs to mount its root; the rest is loaded from there.
readonly first_modules=(9p 9pnet_virtio virtio_pci overlay)
# The modules worth keeping: the others drive hardware.
readonly kept_modules=(arch block crypto fs lib mm net drivers/{block,net,vhost,virtio})
readonly dropped_modules=(drivers/net/{arcnet,can,ethernet,wireless})

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
    local tree=$work/tree release modules
    unpack "$work/deb" "$@" busybox-static
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
    lock_cache "$cache"
    if [[ ! -d $current ]]; then
        begin_work "$cache"
        set_up_apt "$cache/apt-${suite:-default}" "$suite"

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
            say "preparing $image $version, once"
            prepare "$image" "${parts[@]}"
            mv -T "$work/tree" "$cache/$name"
        fi
        ln -s "$name" "$work/current"
        mv -T "$work/current" "$current"
    fi
    readlink -f "$current"
}

main
