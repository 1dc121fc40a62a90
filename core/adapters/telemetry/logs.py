"""Log lines: one JSON object each (docs/log-schema.json), the same on both targets."""

from __future__ import annotations

import logging
import re
import sys
from collections import deque
from datetime import UTC, datetime
from traceback import walk_tb
from typing import TextIO

import orjson

from core.ports.runtime import LOG_CONTEXT

# What a line may carry besides its fixed fields. Anything else in `extra` is dropped, so that
# nothing secret or personal gets in by accident.
TEXT_FIELDS = ("user_id", "request_id", "client_request_id", "method", "path")
NUMBER_FIELDS = ("duration_ms", "status")

# Container runtimes cut longer lines in two (CRI, 16 KiB), and halves are no JSON.
MAX_LINE_BYTES = 16 * 1024
_MAX_MESSAGE = 4096
_SHORT_MESSAGE = 512
_MAX_FIELD = 256
_MAX_FRAMES = 30
_MAX_CAUSES = 4
# Beyond it, and for NaN, readers of JSON disagree (RFC 8259 section 6).
_NUMBER_BOUND = 2**53

# JSON leaves them as they are, but terminals and viewers break or turn lines at them.
_INVISIBLE = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")

_LEVELS = ((50, "CRITICAL"), (40, "ERROR"), (30, "WARNING"), (20, "INFO"))

# These speak at the configured level; all others from WARNING on, because what libraries say below
# may quote statements with their parameters.
_HEARD = ("core", "handler", "migrations", "uvicorn", "uvicorn.error", "uvicorn.asgi", "alembic")
# Messages of their exceptions are kept free of values; those of drivers quote rows and addresses.
_OWN_PACKAGES = frozenset({"core", "handler", "migrations"})


def configure(*, level: str, service: str, pod: str, stream: TextIO | None = None) -> None:
    """Sends every log line of the process to `stream`, standard output by default.

    It takes the place of what others have set up: awslambdaric's root handler, uvicorn's own (start
    it with `log_config=None`), and warnings. uvicorn's access log is silenced: it shows query
    strings and addresses, and the middleware writes a line for each request.
    """
    handler = _LineHandler(stream or sys.stdout)
    handler.setFormatter(JsonLines(service=service, pod=pod))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    threshold = logging.getLevelNamesMapping()[level]
    root.setLevel(max(threshold, logging.WARNING))
    for name in (*_HEARD, "mangum", "py.warnings"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(threshold if name in _HEARD else logging.NOTSET)
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    logging.captureWarnings(True)


class JsonLines(logging.Formatter):
    """Renders a record as one line of JSON of at most MAX_LINE_BYTES."""

    def __init__(self, *, service: str, pod: str) -> None:
        super().__init__()
        self._service = _text(service, _MAX_FIELD)
        self._pod = _text(pod, _MAX_FIELD)

    def format(self, record: logging.LogRecord) -> str:
        entry = self._entry(record)
        line = _dumped(entry)
        if len(line.encode()) > MAX_LINE_BYTES:
            entry["message"] = _text(entry["message"], _SHORT_MESSAGE)
            if record.exc_info and record.exc_info[1]:
                entry["exception"] = {"type": _type_name(record.exc_info[1]), "stack": []}
            line = _dumped(entry)
        return line

    def _entry(self, record: logging.LogRecord) -> dict[str, object]:
        context = LOG_CONTEXT.get()
        extra = record.__dict__
        created = datetime.fromtimestamp(record.created, UTC)
        trace_id = extra.get("trace_id") or context.get("trace_id")
        entry: dict[str, object] = {
            "timestamp": created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": next((name for least, name in _LEVELS if record.levelno >= least), "DEBUG"),
            "service": self._service,
            "pod": self._pod,
            "trace_id": _text(trace_id, _MAX_FIELD) if trace_id else None,
            "message": _text(_message(record), _MAX_MESSAGE),
        }
        for name in TEXT_FIELDS:
            text = extra.get(name) or context.get(name)
            if text:
                entry[name] = _text(text, _MAX_FIELD)
        for name in NUMBER_FIELDS:
            number = extra.get(name)
            if isinstance(number, int | float) and abs(number) < _NUMBER_BOUND:
                # Without the sign, True would be written as true.
                entry[name] = +number
        if record.exc_info and record.exc_info[1]:
            entry["exception"] = _exception(record.exc_info[1])
        return entry


class _LineHandler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  the name in logging
        """Silent: the default prints the record's arguments, unfiltered, on standard error."""


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        # Arguments that do not fit are a mistake of ours, and no reason to lose the line.
        return str(record.msg)


def _text(value: object, limit: int) -> str:
    """Cut to `limit` characters; lone surrogates, which UTF-8 cannot hold, become their escapes."""
    text = str(value)[: limit + 1].encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _dumped(entry: dict[str, object]) -> str:
    line = orjson.dumps(entry).decode()
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def _exception(error: BaseException, causes: int = _MAX_CAUSES) -> dict[str, object]:
    """Type, innermost frames and cause; the message only where the exception is one of ours."""
    described: dict[str, object] = {"type": _type_name(error)}
    if type(error).__module__.partition(".")[0] in _OWN_PACKAGES:
        described["message"] = _text(error, _SHORT_MESSAGE)
    frames = deque(walk_tb(error.__traceback__), maxlen=_MAX_FRAMES)
    described["stack"] = [
        f"{frame.f_globals.get('__name__', '?')}:{line} in {frame.f_code.co_name}"
        for frame, line in frames
    ]
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and causes:
        described["cause"] = _exception(cause, causes - 1)
    return described


def _type_name(error: BaseException) -> str:
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )
