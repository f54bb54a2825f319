#!/usr/bin/env bash
# Whether a program is one file that runs on any distribution, and small: test/static.sh PROGRAM
# A plugin starts for each pod, and so has no locales in it, see cni/file.h.
set -euo pipefail

readonly program=$1 largest=$((4 << 20)) # bytes, stripped

if ldd "$program" >/dev/null 2>&1; then
    echo "$program wants shared libraries:" && ldd "$program"
    exit 1
fi
if [[ ${program##*/} != ipipctl ]] && grep --quiet 'std::locale::' < <(nm --demangle "$program" 2>/dev/null); then
    echo "$program has C++ locales in it: a stream must have come in"
    exit 1
fi
stripped=$(mktemp)
trap 'rm -f "$stripped"' EXIT
strip -o "$stripped" "$program"
size=$(stat -c %s "$stripped")
echo "$program: static, $size bytes stripped"
((size <= largest)) || { echo "that is more than $largest" && exit 1; }
