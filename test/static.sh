#!/usr/bin/env bash
# Whether a program is one file that runs on any distribution, and small: test/static.sh PROGRAM
set -euo pipefail

readonly program=$1 largest=$((5 << 19)) # bytes, stripped; with the locales of C++ streams it is more

if ldd "$program" >/dev/null 2>&1; then
    echo "$program wants shared libraries:" && ldd "$program"
    exit 1
fi
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$program"
size=$(stat -c %s "$stripped")
echo "$program: static, $size bytes stripped"
((size <= largest)) || { echo "that is more than $largest" && exit 1; }
