"""The base image of this machine's own making: Debian, and a Python 3.13 that is installed here.

It stands in for `python:3.13-slim`, which needs a registry. Both are Debian with glibc and Python
3.13, but that one is trixie with a Python of its own build: its packages and size are not seen.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

NAME = "localhost/user-api-base:local"
DEBIAN = "bookworm"
_LIBRARIES = (
    "ca-certificates",
    "libbz2-1.0",
    "libffi8",
    "liblzma5",
    "libncursesw6",
    "libreadline8",
    "libsqlite3-0",
    "libssl3",
    "libuuid1",
    "zlib1g",
)
_LEFT_OUT = ("test", "__pycache__", "site-packages", "idlelib", "config-*", "*.a")
_SECONDS = 300.0


def make(python: Path, tree: Path) -> None:
    """A root file system in `tree`. Raises CalledProcessError or TimeoutExpired."""
    included = f"--include={','.join(_LIBRARIES)}"
    run("debootstrap", "--variant=minbase", included, DEBIAN, str(tree))
    ask = "import sys, sysconfig; print(sys.base_prefix, sysconfig.get_path('stdlib'), sep='\\n')"
    prefix, library = (Path(each) for each in run(str(python), "-c", ask).splitlines())
    local = tree / "usr/local"
    left_out = shutil.ignore_patterns(*_LEFT_OUT)
    shutil.copytree(library, local / "lib" / library.name, ignore=left_out, symlinks=True)
    (local / "lib" / library.name / "site-packages").mkdir()
    for shared in (prefix / "lib").glob("libpython3*.so*"):
        shutil.copy2(shared, local / "lib", follow_symlinks=False)
    binary = local / "bin" / library.name
    shutil.copy2(prefix / "bin" / library.name, binary)
    for name in ("python3", "python"):
        (local / "bin" / name).symlink_to(library.name)
    run("chroot", str(tree), "ldconfig")
    run("chroot", str(tree), "python", "-m", "ensurepip", "--default-pip")


def run(*command: str, seconds: float = _SECONDS) -> str:
    """Its standard output. Raises CalledProcessError with both outputs, or TimeoutExpired."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        print(done.stdout[-3000:], done.stderr[-3000:], sep="\n", flush=True)
        done.check_returncode()
    return done.stdout
