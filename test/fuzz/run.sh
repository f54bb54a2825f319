#!/usr/bin/env bash
# Builds the fuzz targets and runs each for a while:
#
#   test/fuzz/run.sh [SECONDS [TARGET...]]
#
# 20 seconds each unless given, as many at a time as there are processors; the targets are the
# folders of test/fuzz/corpus. What is found grows in build/fuzz/corpus from run to run. An input
# that fails is kept in build/fuzz/crashes; run build/fuzz/bin/fuzz_TARGET on it to see the failure
# again.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

seconds=${1:-20}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || { echo "run.sh: $seconds is no number of seconds" >&2 && exit 2; }
targets=("${@:2}")
((${#targets[@]})) || mapfile -t targets < <(ls test/fuzz/corpus)
for target in "${targets[@]}"; do
    [[ -d test/fuzz/corpus/$target ]] || { echo "run.sh: there is no target $target" >&2 && exit 2; }
done

test/install.sh clang libclang-rt-14-dev
test/build.sh fuzz "${targets[@]/#/fuzz_}"

# run_target TARGET: what it prints is shown where it fails only, its last count always.
run_target() {
    local dir=build/fuzz/corpus/$1 log=build/fuzz/$1.log
    local -a dictionary=()
    [[ ! -f test/fuzz/$1.dict ]] || dictionary=(-dict="test/fuzz/$1.dict")
    mkdir -p "$dir" build/fuzz/crashes
    if ! build/fuzz/bin/"fuzz_$1" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
        -rss_limit_mb=1024 -artifact_prefix=build/fuzz/crashes/"$1-" "${dictionary[@]}" \
        "$dir" "test/fuzz/corpus/$1" >"$log" 2>&1; then
        tail -n 60 "$log" >&2
        echo "fuzz_$1: failed; the whole log is $log" >&2
        return 1
    fi
    echo "fuzz_$1: $(grep -E '^Done ' "$log"), no failure"
}

running=0 failed=0
for target in "${targets[@]}"; do
    if ((running == $(nproc))); then
        wait -n || failed=1
        ((running -= 1)) || true
    fi
    run_target "$target" &
    ((running += 1))
done
while ((running > 0)); do
    wait -n || failed=1
    ((running -= 1)) || true
done
exit "$failed"
