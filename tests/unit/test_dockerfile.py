"""What the Dockerfile and its context promise, read without an engine."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
IGNORED = (ROOT / ".dockerignore").read_text(encoding="utf-8")
HADOLINT = Path(sys.executable).with_name("hadolint")


def faults(text: str) -> list[str]:
    """What is wrong with a Dockerfile, a word each."""
    last = text[text.rindex("\nFROM ") :]
    wanted = {
        "base": r"^ARG BASE_IMAGE=\S+@sha256:[0-9a-f]{64}$",
        "stages": r"^FROM \$\{BASE_IMAGE\} AS builder$",
        "hashes": r"--require-hashes .*/requirements/image\.txt$",
        "bytecode": r"--invalidation-mode unchecked-hash",
    }
    wanted_last = {
        "user": r"^USER 1001:1001$",
        "port": r"^EXPOSE 3000$",
        "health": r"^HEALTHCHECK ",
        "entry": r'^ENTRYPOINT \["user-api"\]$',
        "command": r'^CMD \["serve"\]$',
        "version": r"org\.opencontainers\.image\.version=",
        "revision": r"org\.opencontainers\.image\.revision=",
    }
    return [
        name
        for place, patterns in ((text, wanted), (last, wanted_last))
        for name, pattern in patterns.items()
        if not re.search(pattern, place, re.MULTILINE)
    ]


def test_nothing_is_wrong() -> None:
    assert faults(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("base", "@sha256:", ":"),
        ("hashes", "--require-hashes --no-deps --only", "--no-deps --only"),
        ("user", "USER 1001:1001", "USER root"),
        ("health", "HEALTHCHECK ", "# HEALTHCHECK "),
        ("port", "EXPOSE 3000", "EXPOSE 8000"),
        ("command", 'CMD ["serve"]', "CMD serve"),
    ],
)
def test_each_mistake_is_noticed(name: str, old: str, new: str) -> None:
    assert old in DOCKERFILE
    assert name in faults(DOCKERFILE.replace(old, new))


def test_hadolint_finds_nothing() -> None:
    """And it does look: a mutable tag is a warning."""
    assert linted(DOCKERFILE).returncode == 0
    assert "DL3006" in linted("FROM python\n").stdout


def linted(text: str) -> subprocess.CompletedProcess[str]:
    command = [str(HADOLINT), "--no-color", "-"]
    return subprocess.run(
        command, input=text, capture_output=True, text=True, timeout=30, check=False
    )


def context_faults(ignored: str) -> list[str]:
    """What the build's context holds too much or too little, by .dockerignore."""
    rules = [line for line in ignored.splitlines() if line and not line.startswith("#")]
    let_in = {line.removeprefix("!").rstrip("/") for line in rules if line.startswith("!")}
    copied = {
        word.rstrip("/")
        for line in DOCKERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    found = [] if rules[:1] == ["*"] else ["everything"]
    found += sorted(let_in ^ copied)
    return found + sorted({"**/__pycache__/", "**/*.pyc", "**/.env*"} - set(rules))


def test_the_context_holds_what_the_build_takes_and_no_more() -> None:
    """A file of secrets or a test in the project's folder gets into no layer."""
    assert context_faults(IGNORED) == []


@pytest.mark.parametrize(
    ("fault", "old", "new"),
    [
        ("everything", "\n*\n", "\n"),
        ("secrets.json", "!core/\n", "!core/\n!secrets.json\n"),
        (".user-api", "!core/\n", "!core/\n!.user-api/\n"),
        ("tests", "!core/\n", "!core/\n!tests/\n"),
        ("migrations", "!migrations/\n", ""),
        ("**/.env*", "**/.env*\n", ""),
    ],
)
def test_what_must_not_be_in_the_context_is_noticed(fault: str, old: str, new: str) -> None:
    assert old in IGNORED
    assert fault in context_faults(IGNORED.replace(old, new))
