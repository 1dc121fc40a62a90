#!/usr/bin/env bash
# Usage: scripts/checkov.sh templates | manifests | image
# Checkov without the network over the templates of every environment, or over everything that is
# rendered from k8s/. Findings that stand are listed in scripts/checkov.yaml and
# scripts/checkov-manifests.yaml, each with its reason.
set -euo pipefail
cd "$(dirname "$0")/.."

# checked FLOOR OPTION ...: Checkov with these options. It is content with a folder that is empty or missing, so fewer
# passed checks than FLOOR are a failure too.
checked() {
    local floor=$1 passed
    shift
    build/checkov/bin/checkov "$@" | tee build/checkov.log
    passed=$(awk '/^Passed checks: / { sum += $3 } END { print sum + 0 }' build/checkov.log)
    if [ "$passed" -lt "$floor" ]; then
        echo "checkov: $passed checks passed; there were at least $floor" >&2
        return 1
    fi
}

case ${1:-} in
    templates)
        make --no-print-directory synth ENV=
        checked 1500 --config-file scripts/checkov.yaml --directory build/cdk
        ;;
    manifests)
        .venv/bin/python -m tests.k8s.render
        checked 1400 --config-file scripts/checkov-manifests.yaml --directory build/k8s
        ;;
    image)
        # It cannot see that BASE_IMAGE is pinned by digest; tests/unit/test_dockerfile.py does.
        checked 80 --framework dockerfile --skip-download --compact --quiet \
            --skip-check CKV_DOCKER_7 --file Dockerfile
        ;;
    *)
        sed -n 's/^# Usage: /usage: /p' "$0" >&2
        exit 2
        ;;
esac
