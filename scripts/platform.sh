#!/usr/bin/env bash
# Usage: scripts/platform.sh ENV [--dry-run]
# Brings a cluster to what the application stands on: k8s/platform/ENV, then the add-ons of
# k8s/addons/addons.tsv by Helm, one after the other. Running it again changes what differs; one that was
# interrupted is begun again. --dry-run prints the commands. docs/runbooks/README.md says how to reach the
# cluster and how to write the parameters.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop() {
    echo "platform: $*" >&2
    exit 1
}

environment=${1:-}
mode=${2:-}
case $environment in
    development | staging | production) ;;
    *) stop "usage: scripts/platform.sh development|staging|production [--dry-run]" ;;
esac
case $mode in
    "" | --dry-run) ;;
    *) stop "there is no $mode; --dry-run prints the commands" ;;
esac

parameters=k8s/overlays/$environment/parameters/parameters.env
[ -f "$parameters" ] ||
    stop "$parameters is missing; write it: .venv/bin/python -m scripts.k8s_parameters $environment --image ..."
! grep -q ':123456789012:' "$parameters" || stop "$parameters is the example's"

value_of() { sed -n "s/^$1=//p" "$parameters"; }

run() {
    if [ "$mode" = --dry-run ]; then
        printf '%q ' "$@"
        echo
    else
        "$@"
    fi
}

cluster=$(value_of cluster-name)
if [ "$mode" != --dry-run ]; then
    for tool in kubectl helm; do
        command -v "$tool" >/dev/null || stop "needs $tool"
    done
    context=$(kubectl config current-context 2>/dev/null || true)
    [ "${context##*/}" = "$cluster" ] ||
        stop "kubectl's context is ${context:-not set}, and not of $cluster; see docs/runbooks/README.md"
fi

echo "platform: namespaces, quotas, roles, priorities, storage"
run kubectl apply --server-side --field-manager=platform --request-timeout=60s --kustomize "k8s/platform/$environment"

while IFS=$'\t' read -r release chart version repository namespace wanted; do
    case $release in "" | "#"*) continue ;; esac
    if [ "$release" = external-dns ] && [ -z "$(value_of domain)" ]; then
        echo "platform: no domain, so no $release"
        continue
    fi
    given=()
    if [ "$wanted" != - ]; then
        IFS=, read -ra pairs <<<"$wanted"
        for pair in "${pairs[@]}"; do
            value=$(value_of "${pair#*=}")
            [ -n "$value" ] || stop "$release needs ${pair#*=}, which $parameters does not have"
            given+=(--set-string "${pair%%=*}=$value")
        done
    fi
    echo "platform: $release $version"
    run helm upgrade --install "$release" "$chart" --repo "$repository" --version "$version" \
        --namespace "$namespace" --create-namespace --values "k8s/addons/$release.values.yaml" \
        ${given[@]+"${given[@]}"} --atomic --timeout 10m </dev/null
done <k8s/addons/addons.tsv
echo "platform: $cluster is as $environment's files say"
