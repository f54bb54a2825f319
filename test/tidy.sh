#!/usr/bin/env bash
# What the other compiler says to every file, and clang-tidy to those of the programs:
#
#   test/tidy.sh [FILE...]
#
# Nothing is compiled but the headers that the tests share.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

test/install.sh clang-tidy
test/build.sh clang test_headers
files=()
for file in "$@"; do
    files+=("$(realpath "$file")")
    grep --quiet --fixed-strings "\"${files[-1]}\"" build/clang/compile_commands.json ||
        { echo "tidy.sh: $file is no file of the build" >&2 && exit 2; }
done
log=$(mktemp)
trap 'rm -f "$log"' EXIT
run-clang-tidy -quiet -p build/clang "${files[@]}" >"$log" 2>&1 || {
    # In colours, with each call of clang-tidy and the number of the libraries' warnings.
    sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -vE '^(clang-tidy|[0-9]+ warnings? generated)' >&2
    exit 1
}
