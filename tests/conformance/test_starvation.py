"""Requests that wait keep no others waiting."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import psycopg2
import pytest

from core.bootstrap import Core, build_core
from core.errors import DomainError, Overloaded, StorageUnavailable, TooManyRequests
from core.ports.security import HashJob
from handler.http import readiness
from handler.http.app import Application, create_app
from tests.support.clients import READY_SECONDS, random_address, until_ready
from tests.support.hashers import InlineHasher
from tests.support.http_probe import Reply, answer, ask
from tests.support.lambda_events import EVENT_BUILDERS, response_of
from tests.support.people import PASSWORD, random_email
from tests.support.staff import Staff

T = TypeVar("T")

ME = "/v1/users/me"
NEW = "an entirely different sentence"


@dataclass
class Slow(InlineHasher):
    """Computes nothing before it is told to."""

    waiting: list[tuple[Future[Any], HashJob[Any]]] = field(default_factory=list)

    def submit(self, job: HashJob[T], *, caller: str) -> Future[T]:
        future: Future[T] = Future()
        self.waiting.append((future, job))
        return future

    def compute(self) -> None:
        waiting, self.waiting = self.waiting, []
        for future, job in waiting:
            if future.set_running_or_notify_cancel():
                future.set_result(job.work())


@dataclass(frozen=True)
class Service:
    app: Application
    hasher: Slow
    token: str
    member: str

    async def ask(self, method: str, path: str, body: bytes = b"", token: str = "") -> Reply:
        headers = [("x-forwarded-for", random_address()), ("content-length", str(len(body)))]
        if body:
            headers.append(("content-type", "application/json"))
        if token:
            headers.append(("authorization", f"Bearer {token}"))
        return await ask(self.app, method, path, headers=headers, chunks=[body])


@pytest.fixture
def service(core: Core, staff: Staff) -> Service:
    """The application in this process, with hashes that begin when a test says so."""
    hasher = Slow(core.hasher, patience=30)
    slow = replace(
        core,
        hasher=hasher,
        sign_ups=replace(core.sign_ups, hasher=hasher),
        verification=replace(core.verification, hasher=hasher),
        authentication=replace(core.authentication, hasher=hasher),
        lifecycle=replace(core.lifecycle, hasher=hasher),
        passwords=replace(core.passwords, hasher=hasher),
    )
    return Service(create_app(slow), hasher, staff.admin.token, staff.member().id)


def play(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(100):
            await story()

    asyncio.run(bounded())


async def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends, "it waits"
        await asyncio.sleep(0.005)


async def until_ready_beside(service: Service, waiting: Sequence[asyncio.Task[Reply]]) -> None:
    """As `until_ready`, while these wait: no later, when they keep nothing waiting any more."""
    ends, answered = time.monotonic() + READY_SECONDS, sum(each.done() for each in waiting)
    while (told := (await service.ask("GET", "/health/ready")).status) != 200:
        assert time.monotonic() < ends, f"not ready: {told}"
        await asyncio.sleep(0.1)
    assert sum(each.done() for each in waiting) == answered


def _login(_: Service) -> tuple[str, str, dict[str, str]]:
    return "POST", "/v1/auth/login", {"identifier": random_email(), "password": PASSWORD}


def _registration(_: Service) -> tuple[str, str, dict[str, str]]:
    return "POST", "/v1/auth/register", {"email": random_email(), "password": PASSWORD}


def _change(_: Service) -> tuple[str, str, dict[str, str]]:
    body = {"current_password": PASSWORD, "new_password": NEW}
    return "POST", f"{ME}/password", body


def _forced_reset(service: Service) -> tuple[str, str, dict[str, str]]:
    return "POST", f"/v1/users/{service.member}/force-password-reset", {}


HASHING = [_login, _registration, _change, _forced_reset]


@pytest.mark.parametrize("asked", HASHING)
def test_requests_that_wait_for_a_hash_hold_no_place(
    service: Service, asked: Callable[[Service], tuple[str, str, dict[str, str]]]
) -> None:
    """More of them than there are threads and connections: others go on, logins too."""

    async def story() -> None:
        async def hashing() -> Reply:
            method, path, body = asked(service)
            content = json.dumps(body).encode() if body else b""
            return await service.ask(method, path, content, service.token)

        under_way = [asyncio.create_task(hashing()) for _ in range(32)]
        # Throttled or refused for another reason: those do not wait.
        await until(
            lambda: len(service.hasher.waiting) + sum(each.done() for each in under_way) == 32
        )
        assert len(service.hasher.waiting) > 10
        waited = len(service.hasher.waiting)
        refresh = b'{"refresh_token": "x"}'
        for _ in range(5):
            assert (await service.ask("GET", ME, token=service.token)).status == 200
            await until_ready_beside(service, under_way)
            assert (await service.ask("POST", "/v1/auth/refresh", refresh)).status == 401
        other = asyncio.create_task(hashing())
        await until(lambda: len(service.hasher.waiting) > waited or other.done())
        while not all(each.done() for each in (*under_way, other)):
            service.hasher.compute()
            await asyncio.sleep(0.005)
        assert all(each.result().status < 500 for each in (*under_way, other))

    play(story)


def test_a_login_whose_turn_does_not_come_is_told_so(service: Service) -> None:
    """503 with Retry-After, and its account's turn is free again."""
    service.hasher.patience = 0.05

    async def story() -> None:
        method, path, body = _login(service)
        for _ in range(3):
            told = await service.ask(method, path, json.dumps(body).encode())
            assert (told.status, told.problem) == (503, "overloaded")
            assert told.header("retry-after") == "1"
        service.hasher.patience = 30
        login = asyncio.create_task(service.ask(method, path, json.dumps(body).encode()))
        while not login.done():
            service.hasher.compute()
            await asyncio.sleep(0.005)
        assert login.result().status == 401

    play(story)


@contextmanager
def locked(superuser_url: str, table: str) -> Iterator[Callable[[], int]]:
    """Statements on the table wait; gives how many of them do."""
    with closing(psycopg2.connect(superuser_url)) as connection, connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")

        def waiting() -> int:
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            row = cursor.fetchone()
            assert row is not None
            return int(row[0])

        yield waiting


def test_reads_are_at_work_side_by_side_and_readiness_beside_them(
    service: Service, superuser_url: str
) -> None:
    """Each on a connection of its own; a lock of cached_property once let one in at a time."""

    async def story() -> None:
        with locked(superuser_url, "sessions") as waiting:
            reads = [
                asyncio.create_task(service.ask("GET", ME, token=service.token)) for _ in range(20)
            ]
            await until(lambda: waiting() == 3)
            # Every place is taken, until the statements end.
            for path in ("/health", "/health/live"):
                assert (await service.ask("GET", path)).status == 200
            await until_ready_beside(service, reads)
            assert not any(each.done() for each in reads)
        statuses = {(await each).status for each in reads}
        # Those that waited for longer than a statement may are told so.
        assert statuses <= {200, 503}

    play(story)


COME_LATER = [
    TooManyRequests(retry_after=1, limit=1, window=1, policy="address"),
    Overloaded(),
    StorageUnavailable(),
]


@pytest.mark.parametrize("refused", COME_LATER, ids=lambda refused: refused.code)
@pytest.mark.parametrize(("asked", "where"), [(_login, "count_address"), (_change, "know_caller")])
def test_a_client_that_is_told_to_come_later_keeps_its_connection(
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    asked: Callable[[Service], tuple[str, str, dict[str, str]]],
    where: str,
    refused: DomainError,
) -> None:
    """Its body is taken, or the next request on the connection would be lost."""

    def refuse(*_: object) -> None:
        raise refused

    async def story() -> None:
        method, path, body = asked(service)
        told = await service.ask(method, path, json.dumps(body).encode(), service.token)
        assert told.status in {429, 503}
        assert told.header("connection") is None
        too_long = await service.ask(method, path, b" " * 17 * 1024, service.token)
        assert (too_long.status, too_long.header("connection")) == (told.status, "close")

    monkeypatch.setattr(f"handler.http.body.{where}", refuse)
    play(story)


@contextmanager
def frozen(superuser_url: str) -> Iterator[None]:
    """The server processes of all connections of the service are stopped, for 60 s at most."""
    with closing(psycopg2.connect(superuser_url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'user-api'")
        backends = [pid for (pid,) in cursor.fetchall()]

    def send(number: signal.Signals) -> None:
        for pid in backends:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    assert backends
    thaw = threading.Timer(60, send, [signal.SIGCONT])
    thaw.start()
    send(signal.SIGSTOP)
    try:
        yield
    finally:
        thaw.cancel()
        send(signal.SIGCONT)


@pytest.mark.parametrize("target", ["asgi", "lambda"])
def test_a_frozen_database_is_told_before_its_deadline(
    core: Core, superuser_url: str, lambda_client: object, target: str
) -> None:
    """A probe waits for four seconds at most; here a statement would wait for sixty."""
    from handler.aws_lambda import LambdaFunction

    settings = replace(core.settings, database_statement_timeout=60, database_pool_size=2)
    with ExitStack() as stack:
        patient = stack.enter_context(closing(build_core(settings)))
        app = create_app(patient)
        function = stack.enter_context(closing(LambdaFunction(patient, app)))

        def ready() -> int:
            if target == "asgi":
                return answer(app, "GET", "/health/ready").status
            headers = [("host", "id.example.com"), ("x-forwarded-for", "192.0.2.1")]
            event = EVENT_BUILDERS["alb-multi-value"]("GET", "/health/ready", headers, b"")
            return response_of(function.handle(event, None))[0]

        until_ready(ready)
        assert readiness.SECONDS < 2
        with frozen(superuser_url):
            began = time.monotonic()
            assert ready() == 503
            assert time.monotonic() - began < 30
