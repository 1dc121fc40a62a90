"""Show that every test there is was selected by a run of pytest.

    python -m scripts.complete FOLDER

Runs with RECORDED_TESTS=FOLDER have left their tests there. Exit status 1 if one is missing: then
its folder or its marker is in no stage.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SHOWN = 20
SECONDS = 300


def recorded(folder: Path) -> set[str]:
    """Ids of tests; empty if the folder is missing."""
    return {name for run in folder.glob("*") for name in run.read_text("utf-8").splitlines()}


def everything() -> set[str]:
    """Ids of all tests, whatever their markers.

    Raises CalledProcessError when pytest cannot collect them.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            "-m",
            "pytest",
            "--collect-only",
            "-qq",
            "-p",
            "no:cacheprovider",
        ]
        collected = subprocess.run(
            command,
            env={**os.environ, "RECORDED_TESTS": folder},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if collected.returncode:
            print(collected.stdout[-3000:], collected.stderr[-3000:], file=sys.stderr)
            collected.check_returncode()
        return recorded(Path(folder))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="complete", description="Find tests that no run selected."
    )
    parser.add_argument("folder", type=Path, help="where runs have recorded their tests")
    run = recorded(parser.parse_args().folder)
    tests = everything()
    missing = sorted(tests - run)
    for name in missing[:SHOWN]:
        print(f"complete: in no stage: {name}", file=sys.stderr)
    print(f"complete: {len(tests) - len(missing)} of {len(tests)} tests were selected")
    # None at all: then nothing was recorded.
    return 1 if missing or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
