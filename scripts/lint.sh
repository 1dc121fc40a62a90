#!/usr/bin/env bash
# Usage: scripts/lint.sh [NAME ...]
# Runs the named checks, or all of them to the end, and lists those that failed.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"

style() { ruff check .; }
format() { ruff format --check --quiet . || { echo "run: .venv/bin/ruff format ." && false; }; }
types() { mypy; }
imports() { lint-imports --no-logo; }
security() {
    local folders=(cdk core handler migrations scripts)
    # bandit is content with a folder that is missing.
    ls -d "${folders[@]/%//}" >/dev/null && bandit --configfile pyproject.toml --quiet --recursive -ll "${folders[@]}"
}
# The baseline holds no findings, only the choice of detectors: ruff's S105 to S107 judge names that sound
# like secrets, so its KeywordDetector is off.
# Tests are full of test vectors and made-up credentials, so only the forms of real keys count there.
secrets() {
    local detect=(xargs -0 detect-secrets-hook --no-verify --baseline .secrets.baseline)
    git ls-files -z -- ':!tests' | "${detect[@]}" &&
        git ls-files -z -- tests | "${detect[@]}" --disable-plugin Base64HighEntropyString \
            --disable-plugin HexHighEntropyString --disable-plugin BasicAuthDetector
}

migrations() {
    mkdir -p build
    alembic --config migrations/alembic.ini upgrade head --sql >build/migrations.sql 2>build/migrations.log ||
        { cat build/migrations.log && return 1; }
    squawk build/migrations.sql
}

names=("$@")
if [ $# -eq 0 ]; then names=(style format types imports security secrets migrations); fi
failed=()
for name in "${names[@]}"; do
    echo "--- $name"
    "$name" || failed+=("$name")
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "lint: failed: ${failed[*]}" >&2
    exit 1
fi
echo "lint: nothing found"
