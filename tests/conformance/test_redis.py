"""Redis is an accelerator: the API answers right without it, and remembers nothing there alone."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.bootstrap import build_core
from core.config import Settings
from handler.http.app import create_app
from tests.support.clients import Answer, Client, LambdaClient, random_address, until_ready
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, People, random_email
from tests.support.redis_proxy import RedisProxy, redis_proxy
from tests.support.redis_server import RedisServer, start_redis
from tests.support.server import ServerProcess

LIMIT = 15
SECONDS = 45.0


@dataclass
class Redis:
    """A server that a test may mistreat, seen through a proxy."""

    server: RedisServer
    proxy: RedisProxy
    folder: Path

    def freeze(self) -> None:
        self.server.freeze()

    def kill(self) -> None:
        self.server.stop()

    def slow_down(self) -> None:
        self.proxy.delay = 1.0

    def cut_replies(self) -> None:
        self.proxy.cut = 2

    def flush(self) -> None:
        self.server.command("FLUSHALL")
        self.server.command("SCRIPT", "FLUSH")

    def mend(self) -> None:
        """As it was, and empty."""
        self.proxy.delay, self.proxy.cut = 0.0, None
        self.server.thaw()
        if self.server.process.poll() is not None:
            self.server = start_redis(self.folder, port=self.server.port)
        self.flush()


FAULTS = [Redis.freeze, Redis.kill, Redis.slow_down, Redis.cut_replies]


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    folder = tmp_path_factory.mktemp("redis")
    server = start_redis(folder)
    with redis_proxy(server.port) as proxy:
        redis = Redis(server, proxy, folder)
        yield redis
    redis.server.stop()


@pytest.fixture(scope="module")
def with_redis(environment: dict[str, str], own_redis: Redis) -> dict[str, str]:
    """Settings of a service that has it, with a limit that a test can reach."""
    url = f"redis://127.0.0.1:{own_redis.proxy.port}"
    return {**environment, "REDIS_URL": url, "LIMIT_ADDRESS_PER_MINUTE": str(LIMIT)}


@pytest.fixture(scope="module")
def redis_process(with_redis: dict[str, str]) -> Iterator[ServerProcess]:
    with ServerProcess.start(with_redis) as process:
        yield process


@pytest.fixture(scope="module")
def redis_function(
    with_redis: dict[str, str], lambda_client: LambdaClient
) -> Iterator[Callable[..., object]]:
    """The Lambda handler over a core that has Redis."""
    from handler.aws_lambda import LambdaFunction

    settings = replace(
        Settings.from_environ(with_redis), database_pool_size=1, database_pre_ping=True
    )
    core = build_core(settings)
    function = LambdaFunction(core, create_app(core))
    yield function.handle
    # The shared handler puts its own event loop in the place of this one.
    lambda_client.request("GET", "/health")
    function.close()
    core.close()


@pytest.fixture
def redis(own_redis: Redis) -> Iterator[Redis]:
    own_redis.mend()
    yield own_redis
    own_redis.mend()


@pytest.fixture(params=["asgi", "lambda"])
def client(
    request: pytest.FixtureRequest,
    redis: Redis,
    redis_process: ServerProcess,
    redis_function: Callable[..., object],
    monkeypatch: pytest.MonkeyPatch,
) -> Client:
    """Both targets, with Redis in reach when the test begins."""
    monkeypatch.setattr("handler.aws_lambda.lambda_handler", redis_function)
    made: Client = LambdaClient() if request.param == "lambda" else redis_process.client()
    wait_for(made, "up")
    return made


@pytest.fixture
def people(client: Client, mailbox: Mailbox) -> People:
    return People(client, mailbox)


def ready(client: Client) -> tuple[int, str]:
    answer = client.request("GET", "/health/ready")
    return answer.status, answer.json()["redis"]


def wait_for(client: Client, state: str) -> None:
    """The process is ready besides, in each state of Redis."""

    def holds() -> bool:
        # On a busy machine a probe may be too late, and another one is not.
        return ready(client) == (200, state)

    until(holds, what=state)


def until(holds: Callable[[], bool], *, what: str) -> None:
    ends = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < ends, f"Redis never was {what}"
        time.sleep(0.1)


def total(client: Client, name: str, labels: str = ".*") -> float:
    """Over all labels, or over those that match."""
    page = client.metrics()
    return sum(
        float(value)
        for value in re.findall(rf"^{name}(?:{{{labels}}})? (\S+)$", page, re.MULTILINE)
    )


def limits_failed(client: Client) -> float:
    """How many limits memory counted because Redis did not answer."""
    return total(client, "redis_errors_total", 'operation="limit"')


def log_in(client: Client, email: str, password: str = PASSWORD) -> int:
    body = {"identifier": email, "password": password}
    return client.request("POST", "/v1/auth/login", json=body).status


def forgot(client: Client) -> Answer:
    """The cheapest of the requests that are limited by address."""
    return client.request("POST", "/v1/auth/password/forgot", json={"email": random_email()})


@pytest.mark.slow
@pytest.mark.parametrize("fault", [*FAULTS, Redis.flush])
def test_no_request_fails(
    redis: Redis, people: People, client: Client, fault: Callable[[Redis], None]
) -> None:
    """Sign-up, login, refusals and refreshes answer as ever, and no more than one request a second
    waits for a server that fails."""
    session = people.logged_in()
    sent, failed = (total(client, f"redis_{name}_total") for name in ("operations", "errors"))
    begun = time.monotonic()
    fault(redis)
    for _ in range(3):
        other = client.from_address(random_address())
        assert People(other, people.mailbox).register()[1].status == 202
        assert log_in(other, session.person.email) == 200
        assert log_in(other, session.person.email, "wrong sentence entirely") == 401
        assert log_in(other, random_email()) == 401
        assert other.request("GET", "/v1/users/me", token=session.access).status == 200
    body = {"refresh_token": session.refresh}
    assert client.request("POST", "/v1/auth/refresh", json=body).status == 200
    until_ready(lambda: ready(client)[0])

    def asked_in_vain() -> bool:
        """For a second after a failure no process asks Redis. A limit is counted by what
        requests ask for, and not by a look at readiness."""
        assert forgot(client.from_address(random_address())).status == 202
        return limits_failed(client) > limits

    tries = 2 + (time.monotonic() - begun)
    assert total(client, "redis_errors_total") - failed <= tries
    if fault is not Redis.flush:
        assert total(client, "redis_operations_total") - sent <= tries
        wait_for(client, "down")
        limits = limits_failed(client)
        until(asked_in_vain, what="asked")
        redis.mend()
        wait_for(client, "up")


@pytest.mark.parametrize("fault", [Redis.freeze, Redis.cut_replies])
def test_an_address_is_limited_all_the_same(
    redis: Redis, client: Client, fault: Callable[[Redis], None]
) -> None:
    """In the process, while Redis fails."""
    fault(redis)
    answers = [forgot(client) for _ in range(LIMIT + 3)]
    assert [answer.status for answer in answers[LIMIT:]] == [429] * 3
    assert {answer.status for answer in answers} == {202, 429}
    assert all(1 <= int(answer.header("retry-after") or 0) <= 60 for answer in answers[LIMIT:])


def test_all_processes_count_together(
    client: Client, redis_process: ServerProcess, redis: Redis
) -> None:
    """An address that asks the container and the function has one limit, not two."""

    def counted_by_redis() -> bool:
        """False when Redis was late for one of them, which its process then counted alone."""
        first = client.from_address(random_address())
        both = [first, redis_process.client().from_address(first.address)]
        for each in both:
            wait_for(each, "up")
        failed = [total(each, "redis_errors_total") for each in both]
        sent = [total(each, "redis_operations_total") for each in both]
        statuses = [forgot(both[n % 2]).status for n in range(LIMIT + 2)]
        redis.flush()
        anew = [forgot(each).status for each in both]
        if failed != [total(each, "redis_errors_total") for each in both]:
            return False
        rose = [
            total(each, "redis_operations_total") - before
            for each, before in zip(both, sent, strict=True)
        ]
        assert min(rose) >= (LIMIT + 4) // 2
        assert statuses == [202] * LIMIT + [429] * 2
        assert anew == [202] * 2
        return True

    until(counted_by_redis, what="in time for each of a try")


@pytest.mark.slow
@pytest.mark.parametrize("fault", [Redis.freeze, Redis.kill, Redis.flush])
@pytest.mark.parametrize("when", ["before", "after"])
def test_what_was_revoked_stays_revoked(
    redis: Redis, people: People, client: Client, fault: Callable[[Redis], None], when: str
) -> None:
    """Whether Redis fails before the logout or after it: neither token works, and others do."""
    session = people.logged_in()
    kept = people.log_in(session.person)
    assert client.request("GET", "/v1/users/me", token=session.access).status == 200
    if when == "before":
        fault(redis)
    assert client.request("POST", "/v1/auth/logout", token=session.access).status == 204
    if when == "after":
        fault(redis)
    for _ in range(2):
        assert client.request("GET", "/v1/users/me", token=session.access).status == 401
        body = {"refresh_token": session.refresh}
        assert client.request("POST", "/v1/auth/refresh", json=body).status == 401
        assert client.request("GET", "/v1/users/me", token=kept.access).status == 200
        redis.mend()
