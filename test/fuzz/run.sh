#!/usr/bin/env bash
# Builds the fuzz targets and runs each for some seconds: test/fuzz/run.sh [SECONDS]
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

readonly seconds=${1:-20} targets=(configuration environment)

test/install.sh clang libclang-rt-14-dev
test/build.sh fuzz "${targets[@]/#/fuzz_}"
for target in "${targets[@]}"; do
    echo "fuzz: $target for $seconds s"
    found=build/fuzz/corpus/$target # what it finds joins the seeds for the next run
    mkdir -p "$found"
    build/fuzz/bin/"fuzz_$target" -max_total_time="$seconds" -max_len=4096 -verbosity=0 \
        -print_final_stats=1 -artifact_prefix="build/fuzz/$target-" \
        "$found" "test/fuzz/corpus/$target" 2>&1 | grep -vE '^stat::(new_units|slowest)' || exit 1
done
