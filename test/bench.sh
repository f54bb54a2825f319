#!/usr/bin/env bash
# Measures the plugin against the reference plugins of Debian and against the least that the kernel
# demands of anyone, side by side in one run. As root, on a quiet machine:
#
#   test/bench.sh [--quick] [--out DIRECTORY]
#
# Prints the page and leaves it in DIRECTORY with its plots; in docs unless told otherwise. What
# needs an ipip device runs in a virtual machine whose time is that of the instructions that it
# executes: what the kernel does takes the same there each time, whatever else this one does. With --quick, four
# minutes instead of forty, it only prints the targets, and fails where one is missed by far.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")/..
out=$here/docs quick=''
while (($# > 0)); do
    case $1 in
        --help | -h) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit ;;
        --quick) quick=--quick && shift ;;
        --out) out=$(readlink -m "${2:?--out needs a directory}") && shift 2 ;;
        *) echo "bench.sh: unknown argument $1; try --help" >&2 && exit 2 ;;
    esac
done
cd "$here"
((EUID == 0)) || { echo 'bench.sh: this needs root' >&2 && exit 2; }

test/install.sh binutils containernetworking-plugins curl gcc iperf3 iproute2 iptables iputils-ping nftables openssl python3 strace >&2
programs=(ipip ipip-ipam ipipctl ipipd bench_floor bench_launch bench_mesh)
test/build.sh release "${programs[@]}" >&2
found=$(mktemp --directory --tmpdir=build bench.XXXXXX) # which the virtual machine sees, too
trap 'rm -rf "$found"' EXIT
# As they are installed, also in that each is written in one go: what the linker wrote here and there lies
# in the page cache in small pieces, and takes a tenth or two of a millisecond more.
installed=$found/installed
mkdir "$installed"
for program in "${programs[@]}"; do
    strip -o "$found/stripped" "build/release/bin/$program"
    install "$found/stripped" "$installed/$program"
done
export PYTHONDONTWRITEBYTECODE=1
# Away from this host's network and files.
measure=(unshare --net --mount python3 test/bench/bench.py)

echo 'bench.sh: pods' >&2
BENCH_PROGRAMS=$PWD/$installed "${measure[@]}" pods $quick >"$found/pods"
# In emulation each instruction can take the same time, 8 ns here; waiting takes none of this machine's.
# The programs go into the other's memory, so that a start waits for no file of this one.
counted=(env IPIP_VM_ACCEL=tcg test/vm/run.sh --timeout 36000 --memory 4096 --cpus 1
    --qemu -icount --qemu 'shift=3,sleep=off' --
    bash -c "cp ${programs[*]/#/$installed/} /tmp && BENCH_PROGRAMS=/tmp exec \"\$@\"" bash)
echo 'bench.sh: tunnels' >&2
"${counted[@]}" "${measure[@]}" tunnels $quick >"$found/tunnels"
echo 'bench.sh: data plane' >&2
"${counted[@]}" "${measure[@]}" dataplane $quick >"$found/dataplane"
image=''
if [[ ! $quick ]]; then
    echo 'bench.sh: image' >&2
    # Without its size the page is as good.
    image=$(test/image.sh | tee --append /dev/stderr | sed -n 's/^ipip-cni:.*: \([0-9]*\) bytes$/image=\1/p') || image=''
fi
version=$(dpkg-query --show --showformat '${Version}' containernetworking-plugins)
python3 test/bench/bench.py report "$found/pods" "$found/tunnels" "$found/dataplane" "$out" $quick \
    "date=$(date +%F)" "commit=$(git rev-parse --short HEAD)" \
    "kernel=$(uname -r), $(nproc) processors" \
    "rivals=Debian's containernetworking-plugins $version" ${image:+"$image"}
