"""`python -m tests.image`: builds the image on a base of this machine's, runs it, and looks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.lambda_package import Refused, python_for_lambda
from tests.image import base, running
from tests.image.sandbox import Sandbox
from tests.image.store import Store
from tests.support.stopwatch import timed

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("buildah", "bwrap", "debootstrap", "setpriv")
LARGEST = 400 << 20
"""Bytes of the image without its base."""


def main() -> int:
    missing = [name for name in TOOLS if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        print(f"skipped: image: needs root and {', '.join(missing or TOOLS)}")
        return 0
    try:
        python = python_for_lambda()
    except Refused as reason:
        print(f"skipped: image: {reason}")
        return 0
    # Not in the project's folder: a layer is owned by other users, and a build context is copied.
    with tempfile.TemporaryDirectory(prefix="user-api-image-") as folder:
        try:
            _check(python, Path(folder))
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            print(f"image: FAILED: {error}", file=sys.stderr)
            return 1
    return 0


def _check(python: Path, folder: Path) -> None:
    store = Store(folder / "store")
    with timed(f"image: base: Debian {base.DEBIAN} and Python of {python}"):
        base.make(python, folder / "base")
        store.add_base(folder / "base")
    with timed("image: build"):
        store.build(ROOT, revision=_revision())
    configuration = store.configuration()
    tree = store.mounted()
    added = _bytes_of(tree / "opt/user-api")
    print(f"image: {_bytes_of(tree) / 2**20:.1f} MiB, {added / 2**20:.1f} of them the service")
    assert added < LARGEST, f"{added} bytes are more than {LARGEST}"
    with running.database(folder) as (database, shared):
        sandbox = Sandbox(tree, configuration, shared)
        running.check(sandbox, database, folder, said=print)
    print("image: everything held")


def _revision() -> str:
    return base.run("git", "-C", str(ROOT), "rev-parse", "HEAD").strip()


def _bytes_of(tree: Path) -> int:
    found = base.run("du", "--summarize", "--bytes", "--one-file-system", str(tree))
    return int(found.split()[0])


if __name__ == "__main__":
    sys.exit(main())
