#!/usr/bin/env bash
# Usage: scripts/checkov.sh
# Checkov over the templates of every environment, without the network. Findings that stand are listed in
# scripts/checkov.yaml, each with its reason.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python -m cdk.assembly
build/checkov/bin/checkov --config-file scripts/checkov.yaml --directory build/cdk
