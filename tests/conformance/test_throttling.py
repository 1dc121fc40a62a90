"""Guessing against limits: what is remembered, what it costs, and who is never locked out."""

from __future__ import annotations

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from core.adapters.memory.cache import MemoryCache
from core.bootstrap import Core
from core.domain.requests import RequestContext
from core.domain.session import Tokens
from core.errors import InvalidCredentials, TooManyRequests
from core.ports.security import HashJob, PasswordCheck
from core.services.refusals import ASKED_FIRST
from tests.support.clients import Client, random_address
from tests.support.hashers import InlineHasher
from tests.support.people import PASSWORD, People, random_email

WRONG = "this is not the password"
SECONDS = 60.0
_COUNT = re.compile(r'db_queries_total\{(?!.*table="signing_keys").*\} (\S+)')
_HASHES = re.compile(r"^password_hashes_total (\S+)", re.MULTILINE)
_THROTTLED = re.compile(r'authentication_attempts_total\{status="throttled"\} (\S+)')


def metric(client: Client, pattern: re.Pattern[str]) -> int:
    return round(sum(float(count) for count in pattern.findall(client.metrics())))


def guess(client: Client, identifier: str, password: str = WRONG) -> int:
    body = {"identifier": identifier, "password": password}
    return client.request("POST", "/v1/auth/login", json=body).status


@pytest.mark.parametrize("known", [True, False])
def test_a_flood_of_refused_guesses_reaches_no_database(
    people: People, client: Client, known: bool
) -> None:
    """From the sixth refusal on: whether there is such an account or not, right or wrong."""
    identifier = people.verified().email if known else random_email()
    told = [guess(client, identifier) for _ in range(10 + ASKED_FIRST)]
    assert told == [401] * 10 + [429] * ASKED_FIRST
    statements, throttled = metric(client, _COUNT), metric(client, _THROTTLED)
    assert {guess(client, identifier.upper(), PASSWORD) for _ in range(20)} == {429}
    assert metric(client, _COUNT) == statements
    assert metric(client, _THROTTLED) == throttled + 20


def test_a_remembered_refusal_says_what_the_first_one_said(client: Client) -> None:
    """The same problem and limit; the wait goes on running down."""
    body = {"identifier": random_email(), "password": WRONG}
    began = time.monotonic()
    guesses = range(11 + ASKED_FIRST)
    told = [client.request("POST", "/v1/auth/login", json=body) for _ in guesses][10::ASKED_FIRST]
    assert [answer.problem for answer in told] == ["too-many-requests"] * 2
    policies = {(answer.header("ratelimit-policy") or "").split(",")[0] for answer in told}
    assert policies == {'"account-and-address";q=10;w=900'}
    first, second = (int(answer.header("retry-after") or 0) for answer in told)
    assert 900 - (time.monotonic() - began) - 1 <= second <= first <= 900
    limits = (told[1].header("ratelimit") or "").split(",")
    assert limits[0] == f'"account-and-address";r=0;t={second}'


def test_what_is_remembered_is_about_one_account_and_one_address(
    people: People, client: Client
) -> None:
    """Neither another account from here nor this one from elsewhere is refused by it."""
    person, other = people.verified(), people.verified()
    for _ in range(11 + ASKED_FIRST):
        guess(client, person.email)
    assert guess(client, other.email, PASSWORD) == 200
    assert guess(client.from_address(random_address()), person.email, PASSWORD) == 200


@pytest.mark.slow
def test_what_strangers_did_is_asked_of_the_database_each_time(
    people: People, client: Client
) -> None:
    """So that a reset by mail opens the account at once, from the very address that was refused."""
    person = people.verified()
    for _ in range(11):
        stranger = client.from_address(random_address())
        for _ in range(10):
            guess(stranger, person.email)
    place = client.from_address(random_address())
    assert [guess(place, person.email, PASSWORD) for _ in range(3)] == [429] * 3
    place.request("POST", "/v1/auth/password/forgot", json={"email": person.email})
    token, new = people.mailbox.last(person.email).token, "an entirely different sentence"
    reset = {"token": token, "password": new}
    assert place.request("POST", "/v1/auth/password/reset", json=reset).status == 204
    assert guess(place, person.email, new) == 200


def test_a_stolen_token_gives_no_more_guesses_than_none(people: People, client: Client) -> None:
    """At a password change: ten, and the refusals behind them write nothing."""
    token = people.logged_in().access
    body = {"current_password": WRONG, "new_password": "an entirely different sentence"}

    def change() -> int:
        return client.request("POST", "/v1/users/me/password", json=body, token=token).status

    told = [change() for _ in range(10 + ASKED_FIRST)]
    assert told == [422] * 10 + [429] * ASKED_FIRST
    statements = metric(client, _COUNT)
    assert [change() for _ in range(5)] == [429] * 5
    # Who asks is read each time.
    assert metric(client, _COUNT) == statements + 5


def test_the_id_of_a_user_is_no_name_to_guess_at(people: People, client: Client) -> None:
    """Guesses at it, from the owner's own address, keep the owner from no password change."""
    person = people.verified()
    token = people.log_in(person).access
    user_id = client.request("GET", "/v1/users/me", token=token).json()["id"]
    told = [guess(client, user_id) for _ in range(11 + ASKED_FIRST)]
    assert told == [401] * 10 + [429] * (1 + ASKED_FIRST)
    body = {"current_password": person.password, "new_password": "an entirely different sentence"}
    assert client.request("POST", "/v1/users/me/password", json=body, token=token).status == 204


def test_a_code_out_of_thin_air_costs_no_hash(client: Client) -> None:
    """Else whoever makes up reset links would keep everybody's logins waiting."""
    hashes = metric(client, _HASHES)
    for number in range(5):
        reset = {"token": f"made up, number {number}", "password": PASSWORD}
        answer = client.request("POST", "/v1/auth/password/reset", json=reset)
        assert answer.problem == "invalid-code"
    assert metric(client, _HASHES) == hashes


def anywhere() -> RequestContext:
    address = random_address()
    return RequestContext(request_id="throttling", address=address, address_bucket=address)


def log_in(
    core: Core, email: str, password: str = PASSWORD, where: RequestContext | None = None
) -> Tokens:
    return core.authentication.login(where or anywhere(), identifier=email, password=password)


@pytest.fixture
def email(core: Core) -> str:
    """The address of an active user."""
    email = random_email()
    core.access.create_admin(anywhere(), email=email, username=None, password=PASSWORD)
    return email


def refused_at(core: Core, email: str, where: RequestContext) -> TooManyRequests:
    """What a guess is told that has to be refused."""
    with pytest.raises(TooManyRequests) as refused:
        log_in(core, email, WRONG, where)
    return refused.value


def with_cache(core: Core, cache: MemoryCache) -> Core:
    """As a process that remembers in `cache`."""
    throttling = core.authentication.throttling
    refusals = replace(throttling.refusals, cache=cache)
    throttling = replace(throttling, refusals=refusals)
    return replace(core, authentication=replace(core.authentication, throttling=throttling))


def test_a_cache_that_was_lost_forgives_nothing(core: Core) -> None:
    """The database counts on: another process, or this one restarted, refuses as well."""
    where, email = anywhere(), random_email()
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            log_in(core, email, WRONG, where)
    for _ in range(3):
        with pytest.raises(TooManyRequests, match="Too many"):
            log_in(with_cache(core, MemoryCache()), email, WRONG, where)


def test_a_refusal_is_over_when_the_database_says_so(core: Core) -> None:
    """A cache that keeps it for longer, or a clock that goes on, changes nothing."""
    where, email, cache = anywhere(), random_email(), MemoryCache(seconds=lambda: 0.0)
    process = with_cache(core, cache)
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            log_in(process, email, WRONG, where)
    for _ in range(ASKED_FIRST - 1):
        refused_at(process, email, where)
    refusals, before = process.authentication.throttling.refusals, core.clock.now()
    wait = timedelta(seconds=refused_at(process, email, where).retry_after)
    almost, over = before + wait - timedelta(seconds=2), core.clock.now() + wait
    assert refusals.find(f"typed:{email}", where, now=almost) is not None
    assert refusals.find(f"typed:{email}", where, now=over) is None


def test_what_another_version_remembered_refuses_nobody(core: Core, email: str) -> None:
    """The cache may hold anything; the database decides."""
    where, process = anywhere(), with_cache(core, MemoryCache())
    refusals = process.authentication.throttling.refusals
    for value in (b"", b"\xff", b"{}", b"1 2 3", b"x 10 900 account", b"9" * 400 + b" 1 1 p"):
        refusals.cache.put(refusals._key(email, where), value, seconds=60)
        assert log_in(process, email, where=where).access_token


def test_a_success_forgets_what_was_refused_meanwhile(core: Core, email: str) -> None:
    """A right login that takes its time, and wrong ones beside it, must not end in a lock."""
    where, process = anywhere(), with_cache(core, MemoryCache())
    strict = replace(core.settings, limit_failures_per_address=1)
    throttling = replace(process.authentication.throttling, settings=strict)
    process = replace(
        process, authentication=replace(process.authentication, throttling=throttling)
    )
    log_in(process, email, PASSWORD, where)
    held = Held(core.authentication.hasher)
    slow = replace(process, authentication=replace(process.authentication, hasher=held))
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(log_in, slow, email, PASSWORD, where)
        assert held.begun.acquire(timeout=SECONDS)
        with pytest.raises(InvalidCredentials):
            log_in(process, email, WRONG, where)
        for _ in range(1 + ASKED_FIRST):
            refused_at(process, email, where)
        held.go_on.set()
        assert first.result(timeout=SECONDS).access_token
    assert log_in(process, email, PASSWORD, where).access_token


@dataclass
class Held(InlineHasher):
    """Each comparison waits to be let go on."""

    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    go_on: threading.Event = field(default_factory=threading.Event)
    hashes: int = 0

    def verify(self, password_hash: str | None, password: str) -> HashJob[PasswordCheck]:
        compare = self.real.verify(password_hash, password)

        def work() -> PasswordCheck:
            self.hashes += 1
            self.begun.release()
            if not self.go_on.wait(SECONDS):
                raise TimeoutError
            return compare.work()

        return HashJob(work)


def test_strangers_at_one_account_hash_two_at_once_and_the_owner_beside_them(
    core: Core, email: str
) -> None:
    """A burst of guesses must not hold all threads while the owner waits for one."""
    home = anywhere()
    log_in(core, email, where=home)
    held = Held(core.authentication.hasher)
    slow = replace(core, authentication=replace(core.authentication, hasher=held))
    with ThreadPoolExecutor(3) as threads:
        guesses = [threads.submit(log_in, slow, email, WRONG) for _ in range(2)]
        assert all(held.begun.acquire(timeout=SECONDS) for _ in guesses)
        with pytest.raises(TooManyRequests) as refused:
            log_in(slow, email)
        assert (refused.value.policy, refused.value.retry_after) == ("at-once", 1)
        assert held.hashes == 2
        assert log_in(core, email, where=home).access_token
        held.go_on.set()
        for each in guesses:
            assert isinstance(each.exception(timeout=SECONDS), InvalidCredentials)
    assert log_in(slow, email).access_token
