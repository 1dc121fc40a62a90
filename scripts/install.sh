#!/bin/sh
# Usage: scripts/install.sh run|dev
# Installs the locked packages and this project into .venv (or $VENV) with plain pip. An install that was cut
# off leaves .unfinished behind, and the next one starts over.
set -eu
cd "$(dirname "$0")/.."
wanted=$1
venv=${VENV:-.venv}
python=${PYTHON:-python3}
lock=requirements/$wanted.txt

stop() {
    echo "user-api: $*" >&2
    exit 1
}

command -v "$python" >/dev/null 2>&1 ||
    stop "$python not found; install Python 3.11 or later, or say which: make PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    stop "$python is $("$python" -V 2>&1), and 3.11 or later is needed; say which: make PYTHON=/path/to/python3"
"$python" -c 'import venv, ensurepip' 2>/dev/null ||
    stop "$python has no venv module; install it (on Debian and Ubuntu: apt install python3-venv)"

mkdir -p "$(dirname "$venv")"
[ -w "$(dirname "$venv")" ] || stop "$(cd "$(dirname "$venv")" && pwd) cannot be written, and $venv belongs there"
# hold FD: waits for the lock of an open file, which this shell keeps.
hold() {
    "$python" -c '
import fcntl, sys, time
for _ in range(600):
    try:
        sys.exit(fcntl.flock(int(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB))
    except OSError:
        time.sleep(1)
sys.exit(1)' "$1"
}
exec 9>"$venv.lock"
hold 9 || stop "another install has held $venv.lock for ten minutes"

version='import sys; print(*sys.version_info[:2])'
if [ -e "$venv/.unfinished" ] || [ "$("$venv/bin/python" -c "$version" 2>/dev/null)" != "$("$python" -c "$version")" ]; then
    rm -rf "$venv"
    mkdir "$venv"
    touch "$venv/.unfinished"
    "$python" -m venv "$venv" || stop "could not make $venv with $python"
fi
touch "$venv/.unfinished"

echo "user-api: installing $(grep -c '^[a-z].*==' "$lock") packages into $venv"
pip() {
    # Python compiles what it imports; pip would compile every file.
    "$venv/bin/python" -m pip --disable-pip-version-check --no-input install -qq --no-compile "$@" ||
        stop "pip could not install, its message is above; it needs a registry of Python packages"
}
# The lock is complete, so nothing is left to resolve.
pip --no-deps --require-hashes -r "$lock"
# Its metadata are built here, for whichever environment.
exec 8<pyproject.toml
hold 8 || stop "another install has held pyproject.toml for ten minutes"
pip --no-deps --no-build-isolation -e .

rm "$venv/.unfinished"
touch "$venv/.run"
if [ "$wanted" = dev ]; then touch "$venv/.dev"; fi
