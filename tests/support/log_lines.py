"""Logging for one test: set up as the service does it, read back, and put back as it was."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "log-schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA)


def parsed(text: str) -> list[dict[str, Any]]:
    """The lines of `text`, each checked against the schema; `splitlines` sees every line end."""
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert not [error.message for error in VALIDATOR.iter_errors(line)]
    return lines


@contextmanager
def logging_restored() -> Iterator[io.StringIO]:
    """A stream to log to; afterwards every logger is what it was before."""
    root = logging.getLogger()
    known = [root, *_loggers()]
    before = [(x, x.handlers[:], x.level, x.propagate) for x in known]
    try:
        yield io.StringIO()
    finally:
        logging.captureWarnings(False)
        for changed, handlers, level, propagate in before:
            changed.handlers[:] = handlers
            changed.setLevel(level)
            changed.propagate = propagate
        for made in _loggers():
            if made not in known:
                made.handlers.clear()
                made.setLevel(logging.NOTSET)
                made.propagate = True


def _loggers() -> list[logging.Logger]:
    """Those that somebody has asked for by their name."""
    named = logging.getLogger().manager.loggerDict.values()
    return [each for each in named if isinstance(each, logging.Logger)]


def told_by(logger: str, caplog: pytest.LogCaptureFixture) -> list[str]:
    """The messages of one logger; other threads may log meanwhile."""
    return [each.getMessage() for each in caplog.records if each.name == logger]
