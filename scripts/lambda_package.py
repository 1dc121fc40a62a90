"""Build the Lambda function's zip: locked wheels for Linux x86_64, the service, and its bytecode.

    python -m scripts.lambda_package [--python PATH] [--out FILE]

What git tracks of core, handler and migrations goes in, with requirements/image.txt but for what
only a server process runs. The same tree, lock and Python make the same bytes, whoever builds:
entries are sorted, times are SOURCE_DATE_EPOCH or 1980, and what an installer notes is left out.

The bytecode halves the import of a cold start; Python 3.13, which the function runs on, makes it.
Prints the sizes and the SHA-256; exit status 1 and one line when there is nothing to deploy.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from scripts.locked_wheels import PYTHON, Unobtainable, install, locked

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "image.txt"
PACKAGES = ("core", "handler", "migrations")
SERVER_ONLY = frozenset({"h11", "httptools", "uvicorn", "uvloop"})
# Lambda takes 250 MiB unpacked; a cold start fetches and opens all of it.
BUDGET_MIB = 120
_INSTALLERS_NOTES = frozenset({"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"})
_COMPILE_SECONDS = 300.0


class Refused(Exception):
    """One line on why there is no package."""


def build(python: Path, out: Path) -> None:
    """Writes `out` whole or not at all. Raises Refused or Unobtainable."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".lambda-", dir=out.parent) as folder:
        scratch = Path(folder)
        tree = scratch / "tree"
        tree.mkdir()
        requirements = locked(LOCK, lambda name: name not in SERVER_ONLY)
        print(f"collecting {len(requirements)} packages for Python {PYTHON} on Linux x86_64")
        install(requirements.values(), tree, scratch)
        _forget_the_installer(tree)
        _copy_sources(tree)
        print("compiling")
        _compile(python, tree)
        unpacked, count = _write(tree, scratch / out.name)
        if unpacked > BUDGET_MIB << 20:
            raise Refused(f"{unpacked / 2**20:.1f} MiB unpacked, and {BUDGET_MIB} are allowed")
        (scratch / out.name).replace(out)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    print(f"{out}: {out.stat().st_size / 2**20:.1f} MiB, {count} files")
    print(f"unpacked: {unpacked / 2**20:.1f} MiB of {BUDGET_MIB}")
    print(f"sha256: {digest}")


def python_for_lambda() -> Path:
    """A Python of the function's version on this machine. Raises Refused."""
    shim = shutil.which(f"python{PYTHON}")
    candidates = [sys.executable, *([shim] if shim else [])]
    if shim and "shims" in Path(shim).parts:
        # A shim of pyenv runs only versions that are switched on; the one behind it always does.
        versions = Path(shim).parents[1] / "versions"
        candidates += [str(path) for path in sorted(versions.glob(f"{PYTHON}*/bin/python"))]
    for candidate in candidates:
        if _version_of(candidate) == PYTHON:
            return Path(candidate)
    raise Refused(
        f"Python {PYTHON} is needed to compile for the function, and none was found; install it, "
        f"or say where it is: make lambda-package ARGS='--python /path/to/python{PYTHON}'"
    )


def _version_of(python: str) -> str | None:
    ask = "import sys; print('{}.{}'.format(*sys.version_info))"
    try:
        answer = subprocess.run(
            [python, "-c", ask], check=False, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def _forget_the_installer(tree: Path) -> None:
    # Scripts name the Python that installed them, and nothing in the function runs one.
    shutil.rmtree(tree / "bin", ignore_errors=True)
    for path in tree.glob("*.dist-info/*"):
        if path.name in _INSTALLERS_NOTES:
            path.unlink()


def _copy_sources(tree: Path) -> None:
    for name in _git("ls-files", "-z", "--", *PACKAGES):
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(ROOT / name, target)
        except FileNotFoundError:
            raise Refused(f"git tracks {name}, and it is not there") from None
    for name in _git("ls-files", "-z", "--others", "--exclude-standard", "--", *PACKAGES):
        print(f"left out, git does not track it: {name}")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    notes = tree / f"user_api-{project['version']}.dist-info"
    notes.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (notes / "METADATA").write_text(metadata, encoding="utf-8")


def _git(*arguments: str) -> list[str]:
    try:
        answer = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        raise Refused("the package is made of what git tracks, and git does not answer") from None
    return [name for name in answer.stdout.split("\0") if name]


def _compile(python: Path, tree: Path) -> None:
    """Bytecode that Python takes without a look at the source (PEP 552, unchecked)."""
    command = [str(python), "-S", "-W", "ignore", "-m", "compileall", "-q"]
    command += ["--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(tree), "-p", "/var/task", str(tree)]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONPATH", None)
    try:
        done = subprocess.run(
            command,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=_COMPILE_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Refused(f"compiling took more than {_COMPILE_SECONDS:g} s") from None
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines() or [f"status {done.returncode}"]
        raise Refused(f"{python} could not compile the package: {said[-1]}")


def _write(tree: Path, archive: Path) -> tuple[int, int]:
    """The size of the files in bytes, and their number."""
    # A zip knows no earlier time.
    earliest = 315532800
    moment = time.gmtime(max(earliest, int(os.environ.get("SOURCE_DATE_EPOCH", earliest))))[:6]
    size = count = 0
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        for path in _files(tree):
            entry = zipfile.ZipInfo(path.relative_to(tree).as_posix(), moment)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            content = path.read_bytes()
            zipped.writestr(entry, content)
            size, count = size + len(content), count + 1
    return size, count


def _files(tree: Path) -> Iterator[Path]:
    yield from sorted(
        (path for path in tree.rglob("*") if path.is_file()),
        key=lambda path: path.relative_to(tree).as_posix(),
    )


def _terminated(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="lambda-package", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--python", type=Path, help=f"a Python {PYTHON}, to compile with")
    parser.add_argument("--out", type=Path, default=Path("build/lambda/user-api.zip"))
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, _terminated)
    try:
        if chosen.python and _version_of(str(chosen.python)) != PYTHON:
            raise Refused(f"{chosen.python} is no Python {PYTHON}")
        build(chosen.python or python_for_lambda(), chosen.out)
    except (Refused, Unobtainable, OSError) as error:
        print(f"lambda-package: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lambda-package: stopped, and nothing was written", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
