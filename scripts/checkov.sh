#!/usr/bin/env bash
# Usage: scripts/checkov.sh templates | manifests | image
# Checkov without the network over the templates of every environment, or over everything that is
# rendered from k8s/. Findings that stand are listed in scripts/checkov.yaml and
# scripts/checkov-manifests.yaml, each with its reason.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
    templates)
        .venv/bin/python -m cdk.assembly
        build/checkov/bin/checkov --config-file scripts/checkov.yaml --directory build/cdk
        ;;
    manifests)
        .venv/bin/python -m tests.k8s.render
        build/checkov/bin/checkov --config-file scripts/checkov-manifests.yaml --directory build/k8s
        ;;
    image)
        # It cannot see that BASE_IMAGE is pinned by digest; tests/unit/test_dockerfile.py does.
        build/checkov/bin/checkov --framework dockerfile --skip-download --compact --quiet \
            --skip-check CKV_DOCKER_7 --file Dockerfile
        ;;
    *)
        sed -n 's/^# Usage: /usage: /p' "$0" >&2
        exit 2
        ;;
esac
