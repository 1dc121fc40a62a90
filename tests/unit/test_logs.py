"""Log lines are one JSON object each, by the committed schema, and give nothing secret away."""

from __future__ import annotations

import io
import json
import logging
import operator
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from core.adapters.telemetry.logs import MAX_LINE_BYTES, JsonLines, configure
from core.errors import NotFound, StorageUnavailable
from core.ports.runtime import LOG_CONTEXT
from tests.support.log_lines import SCHEMA, VALIDATOR, logging_restored, parsed

logger = logging.getLogger("core.test")

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the process logs to, until the end of the test."""
    with logging_restored() as made:
        configure(level="INFO", service="user-api", pod="user-api-abc123", stream=made)
        yield made


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    """What was logged, read and checked."""
    return lambda: parsed(stream.getvalue())


def test_the_schema_is_one() -> None:
    """And refuses what it does not know."""
    Draft202012Validator.check_schema(SCHEMA)
    assert not VALIDATOR.is_valid({})
    assert SCHEMA["additionalProperties"] is False


def test_a_line_has_the_fields_of_the_design(lines: Lines) -> None:
    """The example of the source design."""
    logger.info(
        "User created successfully",
        extra={
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "user_id": UUID("123e4567-e89b-12d3-a456-426614174000"),
            "duration_ms": 45,
        },
    )
    (line,) = lines()
    moment = datetime.fromisoformat(line.pop("timestamp"))
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 5
    assert line == {
        "level": "INFO",
        "service": "user-api",
        "pod": "user-api-abc123",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "message": "User created successfully",
        "user_id": "123e4567-e89b-12d3-a456-426614174000",
        "duration_ms": 45,
    }


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose local time is not UTC."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("new_york")
def test_times_are_utc_to_the_millisecond() -> None:
    """RFC 3339 with Z, wherever the process runs."""
    record = logging.LogRecord("core", logging.INFO, "", 0, "x", None, None)
    record.created = 1_760_279_400.0004
    line = JsonLines(service="user-api", pod="p").format(record)
    assert json.loads(line)["timestamp"] == "2025-10-12T14:30:00.000Z"


def test_lines_carry_the_request_they_belong_to(lines: Lines) -> None:
    """Every line of a request, from whatever module; what a line says itself goes first."""
    token = LOG_CONTEXT.set({"request_id": "r1", "trace_id": "t1", "user_id": "u1", "other": "x"})
    try:
        logger.info("plain")
        logger.info("own", extra={"user_id": "u2"})
    finally:
        LOG_CONTEXT.reset(token)
    logger.info("after")
    plain, own, after = lines()
    assert (plain["request_id"], plain["trace_id"], plain["user_id"]) == ("r1", "t1", "u1")
    assert "other" not in plain
    assert own["user_id"] == "u2"
    assert after["trace_id"] is None
    assert "request_id" not in after


def test_a_request_line_names_method_route_and_status(lines: Lines) -> None:
    """Numbers stay numbers, so that they can be compared."""
    logger.info(
        "request",
        extra={"method": "GET", "path": "/v1/users/me", "status": 200, "duration_ms": 1.25},
    )
    (line,) = lines()
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/users/me", 200)
    assert line["duration_ms"] == 1.25


def test_fields_that_are_not_listed_are_dropped(lines: Lines) -> None:
    """A password or a token that somebody passes along by mistake does not get in."""
    logger.info(
        "x",
        extra={
            "password": "hunter2-hunter2",
            "authorization": "Bearer hunter2-hunter2",
            "email": "hunter2@example.com",
            "duration_ms": "hunter2",
            "status": float("nan"),
        },
        stack_info=True,
    )
    (line,) = lines()
    assert set(line) == {"timestamp", "level", "service", "pod", "trace_id", "message"}


NASTY = [
    'x\n{"level":"ERROR","message":"forged"}',
    "x\r\ny",
    "x\u2028y\u2029z\x85w\x0bv\x0cu\x1ct",
    "\x1b[2J\x1b]0;title\x07",
    "\x9b31m",
    "\u202etxt.exe\u2066",
    "\0",
    '"}',
    "\ud800 lone",
    "🔑 é 中",
]


@pytest.mark.parametrize("text", NASTY)
def test_no_text_breaks_out_of_its_line(lines: Lines, stream: io.StringIO, text: str) -> None:
    """Line ends, terminal sequences and turned text stay inside (log injection, PYSEC-2020-150)."""
    logger.warning("got %s", text, extra={"path": text, "request_id": text, "method": text})
    (line,) = lines()
    raw = stream.getvalue()
    assert raw.count("\n") == 1
    assert raw[:-1].isprintable()
    shown = text.encode("utf-8", "backslashreplace").decode()
    assert line["message"] == f"got {shown}"
    assert line["path"] == shown


# A short one again and again: to choose so many characters one by one takes seconds.
LONG_TEXTS = st.builds(operator.mul, st.text(min_size=20, max_size=60), st.integers(250, 500))


@given(
    message=st.text(max_size=300) | LONG_TEXTS,
    fields=st.dictionaries(
        st.sampled_from(["path", "user_id", "status", "duration_ms", "trace_id", "method"]),
        st.text(max_size=400) | st.integers() | st.floats() | st.none() | st.booleans(),
    ),
)
def test_any_record_is_one_line_of_the_schema(message: str, fields: dict[str, object]) -> None:
    """Whatever is logged: valid, one line, and below the length at which runtimes cut."""
    record = logging.LogRecord("core", logging.ERROR, "", 0, message, None, None)
    record.__dict__.update(fields)
    line = JsonLines(service="user-api", pod="p").format(record)
    assert len(parsed(line)) == 1
    assert len(line.encode()) <= MAX_LINE_BYTES


def deep(levels: int, text: str, *, causes: int) -> None:
    if levels:
        deep(levels - 1, text, causes=causes)
    if not causes:
        raise NotFound(text)
    try:
        deep(50, text, causes=causes - 1)
    except NotFound as error:
        raise NotFound(text) from error


@pytest.mark.parametrize("text", ["\x1b" * 100_000, "\u2028" * 100_000, "🔑" * 100_000])
def test_lines_stay_below_the_length_at_which_runtimes_cut(
    lines: Lines, stream: io.StringIO, text: str
) -> None:
    """16 KiB with everything at its longest, deep stacks and causes of causes included."""
    try:
        deep(50, text, causes=8)
    except NotFound:
        logger.exception(text, extra=dict.fromkeys(("path", "method", "user_id"), text))
    (line,) = lines()
    assert len(stream.getvalue().encode()) <= MAX_LINE_BYTES + len("\n")
    assert line["exception"]["type"] == "core.errors.NotFound"


def test_the_nearest_frames_and_causes_are_kept(lines: Lines) -> None:
    try:
        deep(50, "x", causes=8)
    except NotFound:
        logger.exception("x")
    (line,) = lines()
    told = [line["exception"]]
    while "cause" in told[-1]:
        told.append(told[-1]["cause"])
    assert [len(each["stack"]) for each in told] == [30] * 5
    assert all(" in deep" in frame for each in told for frame in each["stack"])
    raised = {each["stack"][-1] for each in told}
    assert len(raised) == 1


def test_an_exception_tells_where_and_not_what(lines: Lines) -> None:
    """Type, place and cause; a driver's message, which quotes rows and addresses, stays out."""
    try:
        try:
            raise ValueError("Key (email)=(secret@example.com) already exists")
        except ValueError as error:
            raise KeyError("hunter2") from error
    except KeyError:
        logger.exception("It failed")
    (line,) = lines()
    assert line["message"] == "It failed"
    failure = line["exception"]
    assert failure["type"] == "KeyError"
    assert failure["cause"]["type"] == "ValueError"
    assert "test_an_exception_tells_where_and_not_what" in failure["stack"][-1]
    assert "secret@" not in json.dumps(line)
    assert "hunter2" not in json.dumps(line)


def test_our_own_exceptions_say_what_happened(lines: Lines) -> None:
    """Their messages are ours, and free of values."""
    try:
        raise StorageUnavailable("no free connection")
    except StorageUnavailable as error:
        logger.warning("The keys could not be read", exc_info=error)
    (line,) = lines()
    assert line["exception"]["type"] == "core.errors.StorageUnavailable"
    assert line["exception"]["message"] == "no free connection"


def test_a_context_that_was_suppressed_stays_out(lines: Lines) -> None:
    """`raise ... from None` is meant."""
    try:
        try:
            raise ValueError
        except ValueError:
            raise KeyError from None
    except KeyError:
        logger.exception("x")
    assert "cause" not in lines()[0]["exception"]


def test_a_line_with_wrong_arguments_is_not_lost(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """And does not spill its arguments on standard error."""
    # Again, because pytest has added handlers of its own, which are stricter.
    configure(level="INFO", service="user-api", pod="p", stream=stream)
    wrong: list[tuple[str, object]] = [("%s and %s", "hunter2"), ("%(name)s", {"other": "hunter2"})]
    for template, argument in wrong:
        logger.info(template, argument)
    assert [line["message"] for line in parsed(stream.getvalue())] == ["%s and %s", "%(name)s"]
    assert capsys.readouterr().err == ""


def test_a_closed_output_stops_nobody(
    lines: Lines, stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """The request is answered although its line cannot be written, and nothing goes elsewhere."""
    assert lines() == []
    stream.close()
    logger.error("hunter2")
    assert capsys.readouterr() == ("", "")
