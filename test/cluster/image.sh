#!/usr/bin/env bash
# Prints the archive of the image of the agent, built by test/image.sh if the sources changed.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
# shellcheck source-path=SCRIPTDIR source=../archive.sh
source "$here/../archive.sh"
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipip-cni/image

cd "$here/../.."
# All that goes into it; see .dockerignore.
sources=$(git ls-files -z --cached --others --exclude-standard -- . ':!docs' ':!examples' ':!manifests' ':!test' |
    xargs -0 sha256sum | sha256sum | cut -c 1-16)
readonly archive=$cache/$sources.tar
lock_cache "$cache"
if [[ ! -e $archive ]]; then
    begin_work "$cache"
    # What it says is no part of what we print.
    "$here/../image.sh" --save "$work/image.tar" >&2
    rm -f "$cache"/*.tar # of other sources
    mv "$work/image.tar" "$archive"
fi
echo "$archive"
