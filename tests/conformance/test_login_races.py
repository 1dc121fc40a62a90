"""Logins at once through two service processes: who knows the password is never kept out."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from argon2 import PasswordHasher

from core.bootstrap import Core
from core.services.refusals import ASKED_FIRST
from tests.conformance.test_redis import total, wait_for
from tests.support.clients import Client, random_address
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD
from tests.support.redis_server import RedisServer, start_redis
from tests.support.server import ServerProcess
from tests.support.staff import Staff
from tests.support.storage import query

ROUNDS = int(os.environ.get("LOGIN_ROUNDS", "5"))
AT_ONCE = 24
WRONG = "this is not the password"
NEW = "an entirely different sentence"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

Pair = tuple[ServerProcess, ServerProcess]
Start = Callable[..., ServerProcess]


@pytest.fixture(scope="module")
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Starts a service process with these settings, or gives the one that has them already."""
    with ExitStack() as stack:
        started: dict[tuple[object, ...], ServerProcess] = {}

        def starting(number: int, settings: Mapping[str, str]) -> ServerProcess:
            key = (number, *sorted(settings.items()))
            if key not in started:
                process = ServerProcess.start({**environment, **settings})
                started[key] = stack.enter_context(process)
            return started[key]

        yield starting


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


def pair(start: Start, first: Mapping[str, str], second: Mapping[str, str]) -> Pair:
    return start(1, first), start(2, second)


def log_in(client: Client, identifier: str, password: str = PASSWORD) -> int:
    body = {"identifier": identifier, "password": password}
    return client.request("POST", "/v1/auth/login", json=body).status


def clients(processes: Pair) -> tuple[Client, Client]:
    """Of one address, which nobody has used."""
    address = random_address()
    first, second = (process.client().from_address(address) for process in processes)
    return first, second


def at_once(places: tuple[Client, Client], email: str) -> Counter[int]:
    """Right logins at the same moment, in turn through both."""
    together = threading.Barrier(AT_ONCE)

    def one(number: int) -> int:
        together.wait(30)
        return log_in(places[number % 2], email)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return Counter(threads.map(one, range(AT_ONCE)))


def test_logins_at_once_from_a_known_address_all_get_in(start: Start, staff: Staff) -> None:
    """Right ones are no failures, not even for a moment."""
    for _ in range(ROUNDS):
        places, person = clients(pair(start, {}, {})), staff.person()
        assert log_in(places[0], person.email) == 200
        assert at_once(places, person.email) == {200: AT_ONCE}


@pytest.mark.parametrize("other", [{}, {"ARGON2_ITERATIONS": "3"}], ids=["raised", "being raised"])
def test_logins_at_once_behind_a_raise_of_the_cost_all_get_in(
    start: Start, staff: Staff, superuser_url: str, other: Mapping[str, str]
) -> None:
    """Each finds a hash that it would renew, and another has renewed meanwhile."""
    older = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    change = "UPDATE password_credentials SET password_hash = %s WHERE user_id = %s"
    for _ in range(ROUNDS):
        places, person = clients(pair(start, {}, other)), staff.person()
        assert log_in(places[0], person.email) == 200
        query(superuser_url, change, (older, person.user_id))
        assert at_once(places, person.email) == {200: AT_ONCE}
        stored = "SELECT password_hash FROM password_credentials WHERE user_id = %s"
        assert query(superuser_url, stored, (person.user_id,)) != [(older,)]


CROWDED = {
    "HASH_CONCURRENCY": "1",
    "ARGON2_MEMORY_KIB": "19456",
    "ARGON2_ITERATIONS": "12",
    # On a busy machine it takes more tries until one is no 503.
    "LIMIT_ADDRESS_PER_MINUTE": "100000",
}


@pytest.fixture(scope="module")
def deadline(environment: dict[str, str], core: Core, superuser_url: str) -> str:
    """That of a request: a lone login has three times what it needs, on this machine and as busy
    as it is, and each of a crowd a fourth of that."""
    with ServerProcess.start({**environment, **CROWDED}) as process:
        person, took = Staff(core, superuser_url).person(), []
        for _ in range(3):
            began = time.monotonic()
            assert log_in(process.client(), person.email) == 200
            took.append(time.monotonic() - began)
    return f"{max(0.5, 3 * sorted(took)[1]):.2f}"


@pytest.mark.parametrize("known", [True, False], ids=["known address", "new address"])
@pytest.mark.parametrize("short", ["turn", "deadline"])
def test_behind_an_overload_the_owner_gets_in_at_once(
    start: Start, staff: Staff, deadline: str, short: str, known: bool
) -> None:
    """Answers of 503 are no wrong passwords, nor is 429 for a second."""
    settings = {**CROWDED, "HASH_QUEUE_TIMEOUT": "0.1"}
    if short == "deadline":
        settings |= {"HASH_QUEUE_TIMEOUT": "10", "REQUEST_TIMEOUT": deadline}
    told = Counter[int]()
    for _ in range(ROUNDS):
        places, person = clients(pair(start, settings, settings)), staff.person()
        if known:
            get_in(places[0], person.email)
        told += at_once(places, person.email)
        for place in places:
            get_in(place, person.email)
    assert told[503] + told[429] >= ROUNDS
    assert set(told) <= ({200, 503} if known else {200, 429, 503})


def get_in(client: Client, email: str) -> None:
    """Never refused; the machine that runs this may be busy."""
    ends, told = time.monotonic() + 30, [log_in(client, email)]
    while told[-1] == 503 and time.monotonic() < ends:
        told.append(log_in(client, email))
    assert told[-1] == 200, told


@pytest.mark.parametrize("shared", [False, True], ids=["caches of their own", "Redis"])
def test_behind_a_reset_both_processes_let_in(
    start: Start, staff: Staff, mailbox: Mailbox, redis: RedisServer, shared: bool
) -> None:
    """At the address that was refused, at once. Without Redis as long as the other process has
    refused few times in the last minute."""
    settings = {"REDIS_URL": redis.url} if shared else {}
    refusals = ASKED_FIRST + 2 if shared else ASKED_FIRST - 1
    ends, counted, number = time.monotonic() + 300, 0, 0
    while counted < ROUNDS:
        assert time.monotonic() < ends, "Redis answers late each time"
        number += 1
        places, person = clients(pair(start, settings, settings)), staff.person()
        for place in places if shared else ():
            wait_for(place, "up")
        late = [total(place, "redis_errors_total") for place in places]
        guesses = [log_in(places[each % 2], person.email, WRONG) for each in range(10)]
        assert guesses == [401] * 10
        for place in places:
            told = [log_in(place, person.email) for _ in range(refusals)]
            assert told == [429] * refusals
        resets = places[number % 2]
        email = {"email": person.email}
        assert resets.request("POST", "/v1/auth/password/forgot", json=email).status == 202
        body = {"token": mailbox.last(person.email).token, "password": NEW}
        assert resets.request("POST", "/v1/auth/password/reset", json=body).status == 204
        told = [log_in(place, person.email, NEW) for place in reversed(places)]
        # One for which Redis was late has remembered its refusals alone.
        if late == [total(place, "redis_errors_total") for place in places]:
            assert told == [200, 200]
            counted += 1
