"""Every line that the processes of a test session have logged, read when the session is over."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.adapters.telemetry.logs import JsonLines
from tests.support.log_lines import VALIDATOR
from tests.support.people import PASSWORD
from tests.support.server_log import entries

_LOGS: set[Path] = set()
_SERVER_LOGS: set[Path] = set()
_STREAMS = ExitStack()
_SHOWN = 20

# What a start that was refused says on standard error, in one line.
_REFUSAL = re.compile(r"user-api: [^\n]+")
# The mailer of development, which puts mails into a folder, shows each with its link.
_DEVELOPMENT_MAIL = re.compile(r"mail to \S+: [^:]+: ")

SECRETS = re.compile(
    "|".join(
        [
            re.escape(PASSWORD),
            r"eyJ[\w-]+\.[\w-]+\.[\w-]+",  # access tokens
            r"rt1\.[\w-]+",  # refresh tokens
            r"person-[0-9a-f]{16}",  # whom `random_email` makes up
            r"\b10(\.\d{1,3}){3}\b",  # where `random_address` has them ask from
        ]
    ),
    re.IGNORECASE,
)
"""What the suites send in great numbers and no log may hold."""

_DATA = re.compile(
    rf"{SECRETS.pattern}|\$argon2|SCRAM-SHA-256\$|canary(secret|person|text)[0-9a-f]{{16}}"
    r"|[\w.+-]+@(\w+\.)?example\.(com|org|net)",
    re.IGNORECASE,
)
"""What the database holds besides, and PostgreSQL's log may not."""


def review(log: Path) -> None:
    """The file is read at the end of the session, by `logs_are_reviewed`."""
    _LOGS.add(log)


def review_server(log: Path) -> None:
    """The same for a log of PostgreSQL."""
    _SERVER_LOGS.add(log)


def review_this_process(log: Path) -> None:
    """As the handler in this process logs to standard output, so it does to the file."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and isinstance(handler.formatter, JsonLines):
            # Unbuffered, or a test that is killed would leave half of a line.
            stream = log.open("a", encoding="utf-8", buffering=1)
            # Kept open: others who set up a log drop the handler with it.
            _STREAMS.enter_context(stream)
            handler.setStream(stream)
            review(log)
            return
    raise AssertionError("the handler has not set up its log")


def faults(text: str) -> Iterator[str]:
    """What is wrong with the lines of one process."""
    *lines, rest = text.split("\n")
    # A process that was killed may leave a line without its end.
    del rest
    for line in lines:
        if _REFUSAL.fullmatch(line):
            continue
        try:
            entry = json.loads(line)
            error = next(VALIDATOR.iter_errors(entry), None)
        except ValueError:
            yield f"no JSON: {line[:300]}"
            continue
        if error is not None:
            yield f"{error.message}: {line[:300]}"
        elif not _DEVELOPMENT_MAIL.match(entry["message"]) and (found := SECRETS.search(line)):
            yield f"holds {found[0]}: {line[:300]}"


def server_faults(text: str) -> Iterator[str]:
    """What PostgreSQL has logged of people's data, but for the tests' own superuser."""
    for entry in entries(text):
        if found := _DATA.search(entry):
            yield f"holds {found[0]}: {entry[:300]}"


@pytest.fixture(scope="session", autouse=True)
def logs_are_reviewed() -> Iterator[None]:
    """Set up before everything else, so that it ends when every process of the session has."""
    with _STREAMS:
        yield
    found = [
        f"{log.name}: {fault}"
        for logs, look in ((_LOGS, faults), (_SERVER_LOGS, server_faults))
        for log in sorted(logs)
        if log.exists()
        for fault in look(log.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join([f"{len(found)} bad log lines", *found[:_SHOWN]])
