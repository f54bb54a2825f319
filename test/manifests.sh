#!/usr/bin/env bash
# Checks the manifests.
#
#   test/manifests.sh [--write]
#
# manifests/install.yaml must be what manifests/base gives; --write makes it so. Everything must build, no
# pod may ask for more than docs/permissions.md says, and no flag or metric be named that the agent
# does not have. What Debian 12 lacks, a kustomize that knows components, comes from the next
# Debian, and is kept in ~/.cache/ipip-cni, as is promtool.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

# shellcheck source-path=SCRIPTDIR source=archive.sh
source test/archive.sh
readonly suite=trixie
readonly cache=${XDG_CACHE_HOME:-$HOME/.cache}/ipip-cni/manifests

# Leaves kustomize and promtool in the cache.
fetch_programs() {
    [[ ! -x $cache/kustomize || ! -x $cache/promtool ]] || return 0
    say "fetching kustomize and promtool of $suite, once"
    set_up_apt "$work/apt" "$suite"
    unpack "$work/tree" kustomize promtool
    mv "$work"/tree/usr/bin/{kustomize,promtool} "$cache"
}

passed=0 failed=0
# check WHAT COMMAND...: what the command says matters only if it fails.
check() {
    local what=$1
    shift
    if "$@" >"$work/output" 2>&1 </dev/null; then
        printf 'ok    %s\n' "$what"
        passed=$((passed + 1))
    else
        printf 'FAIL  %s\n' "$what"
        sed 's/^/      | /' "$work/output"
        failed=$((failed + 1))
    fi
}

# build FOLDER NAME: leaves its objects as YAML and as JSON, a line each.
build() {
    "$cache/kustomize" build "$1" >"$work/$2.yaml" && to_json "$2"
}

to_json() {
    yq --compact-output . "$work/$1.yaml" >"$work/$1.json"
}

# Every component at once, as a user would write it.
combine() {
    local component
    cp -r manifests "$work"
    mkdir "$work/manifests/all"
    {
        printf '%s\n' 'apiVersion: kustomize.config.k8s.io/v1beta1' 'kind: Kustomization' 'resources: [../base]' 'components:'
        for component in manifests/components/*; do
            echo "  - ../components/${component##*/}"
        done
    } >"$work/manifests/all/kustomization.yaml"
    build "$work/manifests/all" all
}

generated() {
    { sed -n '/^#/p;/^#/!q' manifests/install.yaml && cat "$work/base.yaml"; } | diff manifests/install.yaml -
}

# all_of NAME FILTER: whether the filter holds for every pod template in what NAME built.
all_of() {
    jq --slurp --exit-status '[.[] | select(.kind == "DaemonSet") | .spec.template.spec] | . != [] and all(.[]; '"$2"')' \
        "$work/$1.json" >/dev/null || { echo "not so: $2" && return 1; }
}

is_confined() {
    local each='.containers | all(.[]; .securityContext |'
    all_of "$1" "$each .privileged == false and .allowPrivilegeEscalation == false)" &&
        all_of "$1" "$each .readOnlyRootFilesystem == true)" &&
        all_of "$1" "$each .capabilities.drop == [\"ALL\"])" &&
        all_of "$1" "$each .capabilities.add - [\"NET_ADMIN\"] == [])" &&
        all_of "$1" '.initContainers == null and .hostPID == null and .hostIPC == null' &&
        all_of "$1" '.securityContext.seccompProfile.type == "RuntimeDefault"' &&
        all_of "$1" '.automountServiceAccountToken != null' &&
        all_of "$1" '[.volumes[].hostPath.path // empty] - ["/run/ipip-cni", "/opt/cni/bin", "/etc/cni/net.d",
            "/etc/systemd/network", "/etc/NetworkManager/conf.d"] == []'
}

is_everywhere() {
    all_of "$1" '.tolerations == [{operator: "Exists"}] and .priorityClassName == "system-node-critical"' &&
        all_of "$1" '.hostNetwork and .nodeSelector == {"kubernetes.io/os": "linux"}' &&
        all_of "$1" '.containers | all(.[]; .resources.requests.cpu and .resources.limits.memory)'
}

# What uninstalls must see all that the agent may have left.
uninstalls_where_installed() {
    local paths='select(.kind == "DaemonSet") | .spec.template.spec.volumes[].hostPath.path // empty'
    diff <(jq --raw-output "$paths" "$work/all.json" | sort) \
        <(sed 's/^\( *\)# \( *\(- name\|hostPath\)\)/\1\2/' manifests/uninstall.yaml | yq --raw-output "$paths" | sort)
}

# has_rights NAME RIGHT...: whether the roles in what NAME built give exactly these.
has_rights() {
    diff <(jq --raw-output 'select(.kind | test("Role$")) | .rules[] | (.apiGroups | select(. != [""]) | "group"),
            "\(.verbs | join(" ")) \(.resources | join(" "))"' "$work/$1.json" | sort) \
        <(printf '%s\n' "${@:2}" | sort)
}

knows_the_version() {
    local version
    version=$(sed -n 's/^project(.* VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
    diff <(jq --raw-output '.. | .image? // empty' "$work"/{base,uninstall}.json | sort -u) <(echo "ipip-cni:$version") &&
        grep --quiet "^ARG VERSION=$version\$" Dockerfile
}

# Flags as arguments, and as variables.
knows_the_flags() {
    local flag flags=0
    while read -r flag; do
        grep --quiet --fixed-strings "add(\"$flag\"" agent/options.cc || { echo "ipipd has no $flag" && return 1; }
        flags=$((flags + 1))
    done < <(jq --raw-output 'select(.kind == "DaemonSet") | .spec.template.spec.containers[]
        | (.args[] | sub("=.*"; "")),
          (.env[].name | select(startswith("IPIPD_")) | "--" + (ltrimstr("IPIPD_") | ascii_downcase | gsub("_"; "-")))' "$work/all.json")
    ((flags >= 4))
}

# What is asked of Prometheus, an expression a line.
expressions() {
    jq --raw-output '(select(.kind == "PrometheusRule") | .spec.groups[].rules[].expr),
        (select(.data["ipip-cni.json"]?) | .data["ipip-cni.json"] | fromjson | .panels[].targets[].expr)' "$work/all.json" |
        sed 's/[$]__rate_interval/5m/g'
}

knows_the_metrics() {
    local metric metrics=0
    while read -r metric; do
        grep --quiet "\"$metric\"" agent/metrics.cc || { echo "ipipd has no $metric" && return 1; }
        metrics=$((metrics + 1))
    done < <(expressions | grep --only-matching 'ipip_[a-z_]*' | sed -E 's/_(sum|count)$//' | sort -u)
    ((metrics >= 10))
}

# promtool takes files of rules.
can_be_asked() {
    jq 'select(.kind == "PrometheusRule") | .spec' "$work/all.json" >"$work/alerts.json" || return
    expressions | jq --raw-input --slurp '{groups: [{name: "asked", rules:
        [split("\n")[] | select(. != "")] | to_entries | map({record: "asked:\(.key)", expr: .value})}]}' >"$work/asked.json"
    "$cache/promtool" check rules "$work/alerts.json" "$work/asked.json"
}

case ${1-} in
    '' | --write) ;;
    --help | -h) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0" && exit ;;
    *) die "unknown option $1; try --help" ;;
esac
test/install.sh jq yq
lock_cache "$cache"
begin_work "$cache"
fetch_programs

run 'building manifests/base' build manifests/base base
if [[ ${1-} == --write ]]; then
    {
        echo '# Made of manifests/base by test/manifests.sh --write: change it there.'
        cat "$work/base.yaml"
    } >manifests/install.yaml
fi
cp manifests/uninstall.yaml "$work"
check 'install.yaml is what base gives (else: test/manifests.sh --write)' generated
for overlay in manifests/overlays/*; do
    check "the overlay ${overlay##*/} builds" build "$overlay" "${overlay##*/}"
done
check 'all components build together' combine
check 'uninstall.yaml is YAML' to_json uninstall
for name in base all uninstall; do
    check "$name: no pod asks for more than it needs" is_confined "$name"
    check "$name: it runs on every node" is_everywhere "$name"
done
check 'uninstall.yaml has every directory that the agent may write to' uninstalls_where_installed
rights=('list watch nodes' 'patch nodes/status')
check 'base: the account may do what docs/permissions.md says' has_rights base "${rights[@]}"
check 'all: no component adds a right' has_rights all "${rights[@]}"
check 'the images are of this version' knows_the_version
check 'ipipd has the flags' knows_the_flags
check 'ipipd has the metrics' knows_the_metrics
check 'Prometheus takes the expressions' can_be_asked
printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
