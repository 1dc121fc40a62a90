#!/usr/bin/env bash
# Usage: scripts/lock.sh [--check | --upgrade]
# Compiles requirements/*.txt from pyproject.toml; versions change only where they must, or with --upgrade.
# --check compiles beside the committed files and compares; without a registry it compares the pins alone.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=$PWD/.venv/bin
here=$PWD

compile() {
    local out=$1 from=pyproject.toml
    shift
    case $out in
        build.txt | checkov.txt) from=--group=${out%.txt} ;;
    esac
    "$bin/uv" pip compile --quiet "$from" --output-file "requirements/$out" --universal \
        --python-version 3.11 --generate-hashes --custom-compile-command "make lock" "$@"
}

compile_all() {
    compile run.txt --extra local --group build ${flags[@]+"${flags[@]}"} &&
        compile build.txt --constraints requirements/run.txt ${flags[@]+"${flags[@]}"} &&
        compile image.txt --extra aws --constraints requirements/run.txt ${flags[@]+"${flags[@]}"} &&
        compile dev.txt --extra aws --extra local --group build --group dev --group infra \
            --constraints requirements/run.txt --constraints requirements/image.txt \
            ${flags[@]+"${flags[@]}"} &&
        compile checkov.txt ${flags[@]+"${flags[@]}"}
}

flags=()
case ${1:-} in
    "") compile_all ;;
    --upgrade)
        flags=(--upgrade)
        compile_all
        ;;
    --check)
        "$bin/python" scripts/lock_pins.py
        scratch=$(mktemp -d)
        trap 'rm -rf "$scratch"' EXIT
        cp -R pyproject.toml requirements "$scratch"
        cd "$scratch"
        if ! compile_all 2>"$scratch/log"; then
            if grep -qiE 'failed to fetch|connect|dns error|timed out|network was disabled' "$scratch/log"; then
                echo "lock: no registry in reach; the pins were compared, the rest was not"
                exit 0
            fi
            cat "$scratch/log" >&2
            exit 1
        fi
        diff -ru "$here/requirements" requirements || {
            echo "lock: requirements/ is out of date; run make lock" >&2
            exit 1
        }
        echo "lock: requirements/ matches pyproject.toml"
        ;;
    *)
        echo "usage: scripts/lock.sh [--check | --upgrade]" >&2
        exit 2
        ;;
esac
