"""Wheels of a hashed lock for the Lambda function's machine, whatever machine this one is."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import cast

from packaging.markers import default_environment
from packaging.requirements import Requirement

PYTHON = "3.13"
# Amazon Linux 2023 has glibc 2.34.
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_28_x86_64")
_MACHINE = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": f"{PYTHON}.0",
    "python_version": PYTHON,
    "sys_platform": "linux",
}
_SECONDS = 600.0


class Unobtainable(Exception):
    """One line on why the packages are not here."""


def locked(lock: Path, wanted: Callable[[str], bool]) -> dict[str, str]:
    """Name to requirement with its hashes, of those that the function's machine needs.

    pip judges markers by the machine that it runs on, so it never sees one.
    """
    environment = cast("dict[str, str]", default_environment()) | _MACHINE
    chosen: dict[str, str] = {}
    for block in _blocks(lock.read_text(encoding="utf-8")):
        words = block.replace("\\\n", " ").split("--hash=")
        pin = Requirement(words[0])
        if wanted(pin.name) and (pin.marker is None or pin.marker.evaluate(environment)):
            hashes = " ".join(f"--hash={word.split()[0]}" for word in words[1:])
            chosen[pin.name] = f"{pin.name}{pin.specifier} {hashes}"
    return chosen


def install(requirements: Collection[str], target: Path, scratch: Path) -> None:
    """Unpacks exactly these wheels into `target`; prints each one. Raises Unobtainable."""
    listing = scratch / "requirements.txt"
    listing.write_text("\n".join(sorted(requirements)) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    command += ["--retries", "1", "--timeout", "20", "--progress-bar", "off", "--no-compile"]
    command += [
        "--no-deps",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--requirement",
        str(listing),
    ]
    command += ["--target", str(target), "--python-version", PYTHON, "--implementation", "cp"]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as pip:
        late = threading.Timer(_SECONDS, pip.kill)
        late.start()
        try:
            said = list(_told(pip, len(requirements)))
            in_time = late.is_alive()
            failed = pip.wait() != 0
        finally:
            late.cancel()
            pip.kill()
    if failed:
        errors = [line for line in said if line.startswith("ERROR")] or said[-1:] or ["no word"]
        reason = errors[-1].strip() if in_time else f"not done after {_SECONDS:g} s"
        raise Unobtainable(f"pip could not fetch the locked packages: {reason}")


def _told(pip: subprocess.Popen[str], total: int) -> Iterator[str]:
    number = 0
    for line in pip.stdout or ():
        # Where it looks in a folder of wheels first, it names the file.
        if line.startswith(("Collecting ", "Processing ")):
            number += 1
            print(f"  {number}/{total} {Path(line.split()[1]).name}", flush=True)
        yield line


def _blocks(text: str) -> Iterator[str]:
    block: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            continue
        if block and not line.startswith(" "):
            yield "\n".join(block)
            block = []
        block.append(line)
    if block:
        yield "\n".join(block)
