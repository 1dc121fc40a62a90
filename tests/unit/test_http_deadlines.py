"""No request takes more time, memory or threads than it may, and no failure shows itself."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from anyio.to_thread import current_default_thread_limiter, run_sync
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from handler.http.exchange import MAX_BODY_BYTES
from tests.support.clock import JumpingLoop
from tests.support.http_layers import SETTINGS, build, get, wrapped
from tests.support.http_probe import Reply, answer, ask

SECONDS = 30
"""Longer than a busy machine needs for anything here."""

LENGTH = [("content-length", "10")]


def timed(story: Coroutine[Any, Any, Reply]) -> tuple[Reply, float]:
    """And after how many seconds, of a time that only waits make pass."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(story), runner.get_loop().time()


async def pass_time(seconds: float) -> None:
    """Moves this event loop's clock, in small steps, for one deadline follows another."""
    loop = asyncio.get_running_loop()
    earlier, passed = loop.time, 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "time", lambda: earlier() + passed)
        while passed < seconds:
            passed += seconds / 200
            await asyncio.sleep(0)


async def given_up_has_ended() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert others
    _, left = await asyncio.wait(others, timeout=SECONDS)
    assert not left


def test_a_body_of_the_largest_size_is_read() -> None:
    chunks = [b"a" * (MAX_BODY_BYTES // 4)] * 4
    headers = [("content-length", str(MAX_BODY_BYTES))]
    reply = answer(build()[0], "POST", "/length", headers=headers, chunks=chunks)
    assert (reply.status, reply.body) == (200, str(MAX_BODY_BYTES).encode())
    assert reply.header("connection") is None


def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    headers = [("content-length", str(MAX_BODY_BYTES + 1))]
    reply = answer(build()[0], "POST", "/length", headers=headers, chunks=[])
    assert (reply.status, reply.problem) == (413, "payload-too-large")
    assert reply.header("connection") == "close"


def test_a_body_without_a_length_is_stopped_at_the_limit() -> None:
    """What comes behind the limit is not waited for: here it never comes."""
    headers = [("transfer-encoding", "chunked")]
    chunks = [b"a" * MAX_BODY_BYTES, b"a"]
    reply = answer(build()[0], "POST", "/length", headers=headers, chunks=chunks, endless=True)
    assert (reply.status, reply.problem) == (413, "payload-too-large")
    assert reply.header("connection") == "close"


def test_an_answer_ahead_of_the_body_closes_the_connection() -> None:
    """Else the rest of the body would be read as the next request."""
    reply = answer(build()[0], "GET", "/hello/x", headers=[("content-length", "10")], chunks=[])
    assert (reply.status, reply.header("connection")) == (200, "close")
    assert get().header("connection") is None


def test_a_slow_body_is_given_up() -> None:
    """After half of the time: who sends it cannot choose how much of it is left for what is done
    with it."""
    app, _ = build(request_timeout=4)
    reply, seconds = timed(
        ask(app, "POST", "/length", headers=LENGTH, chunks=[b"12345"], endless=True)
    )
    assert (reply.status, reply.problem) == (408, "request-timeout")
    assert reply.header("connection") == "close"
    assert seconds == pytest.approx(2)


def test_a_slow_answer_is_given_up_while_its_thread_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The client hears of it in time; the thread cannot be stopped, and disturbs nobody."""
    go_on, ended = threading.Event(), threading.Event()

    def work() -> None:
        go_on.wait(SECONDS)
        ended.set()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await run_sync(work)
        await Response(b"late")(scope, receive, send)

    async def story() -> Reply:
        reply = await ask(wrapped(app, request_timeout=0.5), "GET", "/")
        go_on.set()
        await given_up_has_ended()
        return reply

    reply = asyncio.run(story())
    assert (reply.status, reply.problem) == (503, "unavailable")
    assert reply.header("retry-after") == "1"
    assert ended.is_set()
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_what_was_given_up_before_it_began_is_never_done() -> None:
    """Else a queue of requests that were answered 503 is worked off when the database is back."""
    go_on, one_more = threading.Event(), threading.Semaphore(0)
    begun: list[int] = []

    def work() -> None:
        begun.append(1)
        one_more.release()
        go_on.wait(SECONDS)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await run_sync(work)

    async def story() -> list[Reply]:
        layered = wrapped(app, request_timeout=SECONDS)
        asked = asyncio.gather(*(ask(layered, "GET", "/") for _ in range(9)))
        for _ in range(SETTINGS.database_pool_size):
            assert await asyncio.to_thread(one_more.acquire, timeout=SECONDS / 2)
        # As many have begun as may, however long that took; now the time of all is over.
        await pass_time(2 * SECONDS)
        replies = await asked
        go_on.set()
        await given_up_has_ended()
        return replies

    assert {reply.status for reply in asyncio.run(story())} == {503}
    assert len(begun) == SETTINGS.database_pool_size


def test_a_failure_after_the_deadline_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    go_on = threading.Event()

    def work() -> None:
        go_on.wait(SECONDS)
        raise RuntimeError("too late")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await run_sync(work)

    async def story() -> Reply:
        reply = await ask(wrapped(app, request_timeout=0.5), "GET", "/")
        go_on.set()
        await given_up_has_ended()
        return reply

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(story()).status == 503
    assert [r.getMessage() for r in caplog.records] == ["a request failed after its deadline"]


def test_an_answer_that_never_ends_is_cut_off() -> None:
    """A reader that takes nothing holds no request for ever."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.Event().wait()

    reply, seconds = timed(ask(wrapped(app, request_timeout=4), "GET", "/"))
    assert (reply.status, reply.body) == (200, b"")
    assert seconds == pytest.approx(8)


def test_a_request_that_the_server_cancels_is_cancelled_within() -> None:
    begun, cancelled = asyncio.Event(), []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def story() -> None:
        task = asyncio.ensure_future(ask(wrapped(app), "GET", "/"))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)

    asyncio.run(story())
    assert cancelled == [True]


def test_a_failure_is_a_problem_and_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """The client learns the request id, the log the rest."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("password=secret")

    with caplog.at_level(logging.ERROR):
        reply = answer(wrapped(app), "GET", "/")
    assert (reply.status, reply.problem) == (500, "internal-error")
    assert b"secret" not in reply.body
    assert reply.json()["request_id"] == reply.header("x-request-id")
    (record,) = caplog.records
    assert record.exc_info


def test_a_failure_behind_the_first_byte_breaks_the_answer_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError

    with caplog.at_level(logging.ERROR):
        assert answer(wrapped(app), "GET", "/").status == 200
    assert len(caplog.records) == 1


def test_a_refusal_in_the_middle_of_a_body_is_answered_once() -> None:
    """The limit speaks up inside the application's own reading."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass

    chunks = [b"a" * MAX_BODY_BYTES, b"a"]
    reply = answer(
        wrapped(app), "POST", "/", headers=[("transfer-encoding", "chunked")], chunks=chunks
    )
    assert reply.problem == "payload-too-large"


def test_as_many_threads_work_as_there_are_connections() -> None:
    """In each event loop, without a start-up hook: Lambda runs none."""
    limits = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        limits.append(current_default_thread_limiter().total_tokens)
        await Response(b"")(scope, receive, send)

    layered = wrapped(app)
    for _ in range(2):
        answer(layered, "GET", "/")
    assert limits == [3, 3]


def test_other_protocols_pass() -> None:
    """Lifespan events reach the application, if a server sends them."""
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    async def story() -> None:
        await wrapped(app)({"type": "lifespan"}, nothing, nothing)

    asyncio.run(story())
    assert seen == ["lifespan"]
