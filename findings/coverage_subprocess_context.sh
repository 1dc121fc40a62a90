#!/usr/bin/env bash
# coverage 7.17.3 (PyPI), `patch = subprocess`: a setting that reads the environment is read once, in the first process.
# The processes that it starts get the settings as they came out (COVERAGE_PROCESS_CONFIG), so a `context` of
# "${WHO-}" is that of the parent in all of them, though each has a WHO of its own. By the older way
# (COVERAGE_PROCESS_START and a .pth file) each process reads the file, and has its own.
#
# Guess: the context of a child's lines is the child's WHO, as the documents say of `${}` that it is the environment's.
# Seen: `patch = subprocess: ['']`, `a .pth file: ['child']`.
# Ends with 1 when that is no longer so. Needs Python 3.11 or later and a registry of Python packages.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/python -m pip --disable-pip-version-check -q install coverage==7.17.3

cat >child.py <<'END'
print("at work")
END
cat >parent.py <<'END'
import os, subprocess, sys
subprocess.run([sys.executable, "child.py"], env={**os.environ, "WHO": "child"}, check=True)
END
cat >contexts.py <<'END'
import coverage, sys
data = coverage.CoverageData()
data.read()
(file,) = (name for name in data.measured_files() if name.endswith("child.py"))
contexts = sorted({c for found in data.contexts_by_lineno(file).values() for c in found})
print(f"{sys.argv[1]}: {contexts}")
END
settings='[run]
parallel = true
context = ${WHO-}
'

printf '%s' "$settings" >.coveragerc
echo 'patch = subprocess' >>.coveragerc
venv/bin/coverage run parent.py
venv/bin/coverage combine -q
venv/bin/python contexts.py 'patch = subprocess' | tee seen
venv/bin/coverage erase

printf '%s' "$settings" >.coveragerc
COVERAGE_PROCESS_START=$PWD/.coveragerc venv/bin/coverage run parent.py
venv/bin/coverage combine -q
venv/bin/python contexts.py 'a .pth file' | tee -a seen

diff seen - <<'END'
patch = subprocess: ['']
a .pth file: ['child']
END
