"""Whoever logs in this process, libraries and Lambda's runtime included, logs the same way."""

from __future__ import annotations

import io
import logging
import logging.config
import warnings
from collections.abc import Iterator

import pytest
import uvicorn.config
from awslambdaric import bootstrap
from awslambdaric.lambda_runtime_log_utils import LogFormat

from core.adapters.telemetry.logs import configure
from core.errors import ConfigurationError
from handler.aws.rotation import lambda_handler
from tests.support.log_lines import logging_restored, parsed

logger = logging.getLogger("core.test")


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the process logs to, until the end of the test."""
    with logging_restored() as made:
        yield made


def messages(stream: io.StringIO) -> list[str]:
    return [line["message"] for line in parsed(stream.getvalue())]


def test_levels_are_the_five_known_ones(stream: io.StringIO) -> None:
    """uvicorn's TRACE and made-up levels are named by their weight; what is below is not heard."""
    configure(level="INFO", service="user-api", pod="p", stream=stream)
    for level in (5, 10, 20, 25, 30, 40, 50):
        logger.log(level, "x")
    levels = [line["level"] for line in parsed(stream.getvalue())]
    assert levels == ["INFO", "INFO", "WARNING", "ERROR", "CRITICAL"]


def test_libraries_are_heard_from_warnings_on(stream: io.StringIO) -> None:
    """At DEBUG, too: SQLAlchemy would quote statements with their parameters."""
    configure(level="DEBUG", service="user-api", pod="p", stream=stream)
    logging.getLogger("sqlalchemy.engine.Engine").info("hunter2")
    logging.getLogger("mangum.http").info("hunter2")
    logging.getLogger("anything").debug("hunter2")
    logging.getLogger("anything").warning("heard")
    logging.getLogger("core.x").debug("heard")
    assert messages(stream) == ["heard", "heard"]


def test_the_level_that_is_set_counts(stream: io.StringIO) -> None:
    """ERROR silences warnings of all."""
    configure(level="ERROR", service="user-api", pod="p", stream=stream)
    for name in ("core.x", "uvicorn.error", "anything"):
        logging.getLogger(name).warning("x")
        logging.getLogger(name).error(name)
    assert messages(stream) == [
        "core.x",
        "uvicorn.error",
        "anything",
    ]


@pytest.mark.parametrize("own", [True, False])
def test_uvicorn_logs_the_same_way(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str], own: bool
) -> None:
    """Its own set-up is replaced; its access log, which shows queries and addresses, is silent."""
    access = logging.getLogger("uvicorn.access")
    access.propagate = True
    if own:
        logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
    configure(level="INFO", service="user-api", pod="p", stream=stream)
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[1mStarted"})
    access.info('%s - "%s"', "203.0.113.7", "GET /?email=a@example.com")
    assert not access.hasHandlers()
    assert messages(stream) == ["Started"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("log_format", [LogFormat.TEXT, LogFormat.JSON])
def test_lambda_logs_the_same_way(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str], log_format: LogFormat
) -> None:
    """The handler that the real awslambdaric puts on the root logger is replaced."""
    converter = logging.Formatter.converter
    try:
        bootstrap._setup_logging(log_format, None, bootstrap.StandardLogSink())
        configure(level="INFO", service="user-api", pod="p", stream=stream)
        logger.info("cold start")
    finally:
        logging.Formatter.converter = converter
    assert messages(stream) == ["cold start"]
    assert capsys.readouterr() == ("", "")


def test_the_rotation_tells_of_its_steps_and_libraries_keep_silent(stream: io.StringIO) -> None:
    """It logs by awslambdaric's handler; the loggers of others are heard from warnings
    on, as before."""
    logging.basicConfig(level=logging.WARNING, stream=stream, force=True)
    with pytest.raises(ConfigurationError):
        lambda_handler({"Step": "dropSecret"}, None)
    logging.getLogger("handler.aws.rotation").info("heard")
    logging.getLogger("botocore.endpoint").info("hunter2")
    assert stream.getvalue() == "INFO:handler.aws.rotation:heard\n"


def test_migrations_and_warnings_log_the_same_way(stream: io.StringIO) -> None:
    """Alembic's steps at INFO, and Python's warnings."""
    configure(level="INFO", service="user-api", pod="p", stream=stream)
    logging.getLogger("alembic.runtime.migration").info("Running upgrade -> 0001")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", UserWarning, stacklevel=1)
    step, warning = parsed(stream.getvalue())
    assert step["message"] == "Running upgrade -> 0001"
    assert "careful" in warning["message"]
    assert warning["level"] == "WARNING"


def test_configuring_twice_writes_each_line_once(stream: io.StringIO) -> None:
    """Both the command line and the server may do it."""
    for _ in range(2):
        configure(level="INFO", service="user-api", pod="p", stream=stream)
    logger.info("once")
    assert len(parsed(stream.getvalue())) == 1


def test_standard_output_is_the_default(
    stream: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where containers and Lambda collect it."""
    configure(level="INFO", service="user-api", pod="p")
    logger.info("here")
    captured = capsys.readouterr()
    assert parsed(captured.out)[0]["message"] == "here"
    assert captured.err == ""
