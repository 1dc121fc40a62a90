"""Each request can be found again: by its id, its trace, its log line and in the metrics."""

from __future__ import annotations

import logging
from typing import Any, cast
from uuid import UUID

import pytest
from anyio.to_thread import run_sync
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from core.adapters.runtime import SystemClock, UuidV7Ids
from core.ports.runtime import LOG_CONTEXT
from handler.http.exchange import exchange_of
from handler.http.middleware.observation import Observation
from tests.support.http_layers import Seen, build, get, wrapped
from tests.support.http_probe import answer

LOGGER = "handler.http.middleware.observation"


@pytest.mark.parametrize("given_id", ["a", "0198c0de-0000-7000-8000-000000000000", "A.b_c-" * 10])
def test_a_clients_request_id_comes_back(given_id: str) -> None:
    assert get(headers=[("x-request-id", given_id)]).header("x-request-id") == given_id


@pytest.mark.parametrize("given_id", ["", "a" * 65, "a b", "a\\n", "<script>", "é", None])
def test_an_unusable_request_id_is_replaced(given_id: str | None) -> None:
    """It goes to logs and audit payloads, so it is short and plain; ours is a UUID of version 7."""
    headers = [] if given_id is None else [("x-request-id", given_id)]
    assert UUID(get(headers=headers).header("x-request-id")).version == 7


def test_two_request_ids_are_none() -> None:
    """Alike or not: some events join the lines of a header, and every door has to answer alike."""
    headers = [("x-request-id", "a")] * 2
    assert UUID(get(headers=headers).header("x-request-id")).version == 7


def test_a_trace_goes_on_with_a_span_of_our_own() -> None:
    """W3C Trace Context: same trace, new span, the caller's flags."""
    sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    received = get(headers=[("traceparent", sent)]).header("traceparent") or ""
    assert received[:36] == sent[:36]
    assert received[36:52] != sent[36:52]
    assert received[52:] == "-01"


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "junk",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
    ],
)
def test_an_invalid_trace_is_replaced(sent: str) -> None:
    received = get(headers=[("traceparent", sent)]).header("traceparent") or ""
    version, trace_id, span_id, flags = received.split("-")
    assert (version, len(trace_id), len(span_id), flags) == ("00", 32, 16, "00")
    assert trace_id not in sent.lower()


def test_two_traces_are_none() -> None:
    sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    received = get(headers=[("traceparent", sent)] * 2).header("traceparent") or ""
    assert sent[3:35] not in received


def test_a_later_version_of_the_header_is_understood() -> None:
    """Section 4: what follows the known fields of a higher version is ignored."""
    sent = "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"
    assert (get(headers=[("traceparent", sent)]).header("traceparent") or "")[3:35] == sent[3:35]


def test_log_lines_of_a_request_carry_its_ids_and_its_user(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Also what a thread of the request has added."""
    contexts: list[dict[str, str]] = []

    class Capture(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            contexts.append(dict(LOG_CONTEXT.get()))

    async def signed_in(scope: Scope, receive: Receive, send: Send) -> None:
        await run_sync(lambda: exchange_of(scope).log.update(user_id="user-1"))
        await Response(b"")(scope, receive, send)

    logger = logging.getLogger(LOGGER)
    handler = Capture()
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, logger.name):
            reply = answer(wrapped(signed_in), "GET", "/", headers=[("x-request-id", "r-1")])
    finally:
        logger.removeHandler(handler)
    (context,) = contexts
    trace_id = (reply.header("traceparent") or "").split("-")[1]
    assert UUID(context.pop("request_id")).version == 7
    assert context == {"client_request_id": "r-1", "trace_id": trace_id, "user_id": "user-1"}
    assert dict(LOG_CONTEXT.get()) == {}


def test_each_request_has_a_log_line_and_counts(caplog: pytest.LogCaptureFixture) -> None:
    """By the route's template, so that labels are bounded and hold nothing personal."""
    app, seen = build()
    with caplog.at_level(logging.INFO, LOGGER):
        answer(app, "GET", "/hello/ada@example.com")
        answer(app, "GET", "/ada@example.com")
        answer(app, "BREW", "/hello/x")
        answer(app, "HEAD", "/hello/x")
    assert seen.started == 4
    assert seen.finished == [
        ("GET", "/hello/{name}", 200),
        ("GET", "__unmatched__", 404),
        ("OTHER", "/hello/{name}", 405),
        ("HEAD", "/hello/{name}", 200),
    ]
    lines = [record.__dict__ for record in caplog.records]
    assert [(line["method"], line["path"], line["status"]) for line in lines] == seen.finished
    assert all(0 <= line["duration_ms"] < 30_000 for line in lines)
    assert not any("ada@" in record.getMessage() for record in caplog.records)


def test_a_request_that_got_no_answer_counts_with_status_0(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The server has given it up: no status of an answer may stand for none."""

    class GivenUp(BaseException):
        pass

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        raise GivenUp

    seen = Seen()
    observed = Observation(silent, metrics=cast(Any, seen), ids=UuidV7Ids(SystemClock()))
    with caplog.at_level(logging.INFO, LOGGER), pytest.raises(GivenUp):
        answer(observed, "GET", "/")
    assert seen.finished == [("GET", "__unmatched__", 0)]
    assert [record.__dict__["status"] for record in caplog.records] == [0]
