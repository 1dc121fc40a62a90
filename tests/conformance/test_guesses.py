"""What counts as a failed password: what was known to be wrong, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, replace
from typing import TypeVar

import pytest

from core.bootstrap import Core, build_core
from core.domain.access import Principal
from core.domain.requests import RequestContext
from core.domain.session import Tokens
from core.errors import (
    InvalidCredentials,
    InvalidInput,
    Overloaded,
    StorageUnavailable,
    TooManyRequests,
)
from core.ports.security import HashJob, PasswordHasher
from core.ports.storage import Readiness, Storage, Stores, UnitOfWork
from core.services.stepwise import Steps, advance
from core.services.turns import Turns
from tests.support.clients import random_address
from tests.support.hashers import InlineHasher, Interrupted
from tests.support.people import PASSWORD, random_email
from tests.support.storage import query

T = TypeVar("T")

WRONG = "this is not the password"
NEW = "an entirely different sentence"


def anywhere() -> RequestContext:
    address = random_address()
    return RequestContext(request_id="guesses", address=address, address_bucket=address)


def log_in(
    core: Core, email: str, password: str = PASSWORD, where: RequestContext | None = None
) -> Tokens:
    return core.authentication.login(where or anywhere(), identifier=email, password=password)


@pytest.fixture(scope="module")
def strict(core: Core) -> Iterator[Core]:
    """Two failures an address, and three by all strangers together."""
    settings = replace(core.settings, limit_failures_per_address=2, limit_failures_per_account=3)
    with closing(build_core(settings)) as built:
        yield built


@pytest.fixture
def email(core: Core) -> str:
    """The address of an active user, who has never logged in."""
    email = random_email()
    core.access.create_admin(anywhere(), email=email, username=None, password=PASSWORD)
    return email


def with_hasher(core: Core, hasher: PasswordHasher) -> Core:
    return replace(
        core,
        authentication=replace(core.authentication, hasher=hasher),
        passwords=replace(core.passwords, hasher=hasher),
    )


Act = Callable[[Core, Principal, RequestContext], Steps[object]]


def logging_in(core: Core, owner: Principal, where: RequestContext) -> Steps[object]:
    return core.authentication.login.steps(where, identifier=owner.user.email, password=PASSWORD)


def changing_the_password(core: Core, owner: Principal, where: RequestContext) -> Steps[object]:
    return core.passwords.change.steps(where, owner, current=PASSWORD, new=NEW)


def done(core: Core, act: Act, owner: Principal, where: RequestContext) -> None:
    """To its end, without a turn to wait for."""
    if act is logging_in:
        log_in(core, owner.user.email, PASSWORD, where)
    else:
        core.passwords.change(where, owner, current=PASSWORD, new=NEW)


ACTS = [logging_in, changing_the_password]


def owner_of(core: Core, email: str) -> Principal:
    return core.authentication.authenticate(log_in(core, email).access_token)


@dataclass
class Crowded(InlineHasher):
    """Computes `room` jobs, and has no room for those behind."""

    room: int = 0

    def submit(self, job: HashJob[T], *, caller: str) -> Future[T]:
        self.room -= 1
        if self.room >= 0:
            return super().submit(job, caller=caller)
        future: Future[T] = Future()
        future.set_exception(Overloaded(retry_after=1))
        return future


@dataclass
class Away:
    """Implements Storage by another one, which does not answer while `kinds` says so."""

    real: Storage
    kinds: tuple[str, ...] = ()

    def write(self, context: RequestContext) -> AbstractContextManager[UnitOfWork]:
        if "write" in self.kinds:
            raise StorageUnavailable
        return self.real.write(context)

    def read(self) -> AbstractContextManager[Stores]:
        if "read" in self.kinds:
            raise StorageUnavailable
        return self.real.read()

    def readiness(self) -> Readiness:
        return self.real.readiness()

    def close(self) -> None:
        self.real.close()


@pytest.mark.parametrize("act", ACTS)
def test_an_overload_counts_as_no_failure(strict: Core, email: str, act: Act) -> None:
    """Else who presses on while the service is busy is locked out by it, at this address and by
    what strangers share, right password or not."""
    owner, where = owner_of(strict, email), anywhere()
    for _ in range(5):
        crowded = with_hasher(strict, Crowded(strict.hasher))
        with pytest.raises((Overloaded, TooManyRequests)) as refused:
            done(crowded, act, owner, where)
        assert refused.type is Overloaded
    done(strict, act, owner, where)


@pytest.mark.parametrize("kinds", [("write",), ("write", "read")])
@pytest.mark.parametrize("act", ACTS)
def test_a_database_that_goes_away_counts_as_no_failure(
    strict: Core, email: str, act: Act, kinds: tuple[str, ...]
) -> None:
    """Behind the guess that it has let in, whose end can perhaps not be told before the next."""
    owner, where = owner_of(strict, email), anywhere()
    storage = Away(strict.storage)

    def go_away() -> None:
        storage.kinds = kinds

    failing = with_hasher(strict, Interrupted(strict.hasher, go_away))
    failing = replace(
        failing,
        authentication=replace(failing.authentication, storage=storage),
        passwords=replace(failing.passwords, storage=storage),
    )
    for _ in range(5):
        with pytest.raises(StorageUnavailable):
            done(failing, act, owner, where)
        storage.kinds = ()
    done(strict, act, owner, where)


def test_an_overload_is_told_to_other_processes_at_once(strict: Core, email: str) -> None:
    """Else they take the guesses of two of them for guesses at work, and let the owner wait."""
    where = anywhere()
    for _ in range(2):
        with closing(build_core(strict.settings)) as crowded, pytest.raises(Overloaded):
            log_in(with_hasher(crowded, Crowded(crowded.hasher)), email, PASSWORD, where)
    log_in(strict, email, PASSWORD, where)


@pytest.mark.parametrize("act", ACTS)
def test_a_request_that_is_given_up_counts_as_no_failure(
    strict: Core, email: str, act: Act
) -> None:
    """At its deadline: an event loop closes what waits for a hash, and may not wait itself."""
    owner, where = owner_of(strict, email), anywhere()
    for _ in range(5):
        steps = act(strict, owner, where)
        assert isinstance(next(steps), HashJob)
        steps.close()
    done(strict, act, owner, where)


def test_a_turn_that_was_not_free_counts_as_no_failure(strict: Core, email: str) -> None:
    """It is told to come back in a second, and then it has to get in."""
    where = anywhere()
    full = replace(strict.authentication.throttling, turns=Turns(at_once=0))
    nobody = replace(strict, authentication=replace(strict.authentication, throttling=full))
    for _ in range(5):
        with pytest.raises(TooManyRequests) as refused:
            log_in(nobody, email, PASSWORD, where)
        assert (refused.value.policy, refused.value.retry_after) == ("at-once", 1)
    log_in(strict, email, PASSWORD, where)


def test_a_new_password_that_is_refused_counts_as_no_failure(strict: Core, email: str) -> None:
    """The current one was right."""
    owner, where = owner_of(strict, email), anywhere()
    for _ in range(5):
        with pytest.raises(InvalidInput) as refused:
            strict.passwords.change(where, owner, current=PASSWORD, new=PASSWORD)
        assert refused.value.errors[0].pointer == "/new_password"
    strict.passwords.change(where, owner, current=PASSWORD, new=NEW)


def test_a_guess_that_was_wrong_counts_although_the_second_hash_had_no_turn(
    strict: Core, email: str, superuser_url: str
) -> None:
    """The time of that 503 tells that the password was wrong: overloading the service must not give
    guesses for nothing."""
    owner, where = owner_of(strict, email), anywhere()
    for _ in range(2):
        with pytest.raises(Overloaded):
            log_in(with_hasher(strict, Crowded(strict.hasher, room=1)), email, WRONG, where)
    with pytest.raises(TooManyRequests):
        log_in(strict, email, PASSWORD, where)
    assert failures_of(superuser_url, owner) == 2


def test_a_guess_that_was_wrong_counts_although_its_request_is_given_up(
    strict: Core, email: str, superuser_url: str
) -> None:
    """A client that sends the end of its body late has the deadline fall where it likes: behind the
    comparison it would learn for nothing that the guess was wrong."""
    owner, where = owner_of(strict, email), anywhere()
    steps = strict.authentication.login.steps(where, identifier=email, password=WRONG)
    compare = advance(steps)
    assert isinstance(compare, HashJob)
    compared = InlineHasher(strict.hasher).submit(compare, caller="")
    assert isinstance(advance(steps, compared), HashJob)
    steps.close()
    with pytest.raises(InvalidCredentials):
        log_in(strict, email, WRONG, where)
    assert failures_of(superuser_url, owner) == 2
    with pytest.raises(TooManyRequests):
        log_in(strict, email, PASSWORD, where)


def test_a_change_that_was_wrong_counts_although_the_database_went_away(
    strict: Core, email: str, superuser_url: str
) -> None:
    owner, where = owner_of(strict, email), anywhere()
    storage = Away(strict.storage)
    hasher = Interrupted(strict.hasher, lambda: setattr(storage, "kinds", ("write", "read")))
    failing = replace(strict.passwords, storage=storage, hasher=hasher)
    with pytest.raises(StorageUnavailable):
        failing.change(where, owner, current=WRONG, new=NEW)
    with pytest.raises(InvalidInput):
        strict.passwords.change(where, owner, current=WRONG, new=NEW)
    assert failures_of(superuser_url, owner) == 2
    with pytest.raises(TooManyRequests):
        strict.passwords.change(where, owner, current=PASSWORD, new=NEW)


def test_a_password_that_is_not_changed_is_in_the_trail(
    strict: Core, email: str, superuser_url: str
) -> None:
    """Who has stolen a token learns that way that the password is right."""
    owner = owner_of(strict, email)
    with pytest.raises(InvalidInput):
        strict.passwords.change(anywhere(), owner, current=PASSWORD, new=PASSWORD)
    assert failures_of(superuser_url, owner) == 1


def failures_of(superuser_url: str, owner: Principal) -> int:
    """In the audit trail."""
    types = ["login.failed", "password.change_failed"]
    sql = "SELECT count(*) FROM audit_events WHERE subject = %s AND type = ANY(%s)"
    ((count,),) = query(superuser_url, sql, (str(owner.user.id), types))
    return int(count)


@pytest.mark.parametrize("change", ["password_credentials", "users"])
def test_what_is_refused_at_last_is_a_failure_in_the_trail(
    strict: Core, email: str, superuser_url: str, change: str
) -> None:
    """The password, or the status, changed while the old one was compared."""
    owner, where = owner_of(strict, email), anywhere()
    user_id = str(owner.user.id)
    sql = {
        "password_credentials": "UPDATE password_credentials SET changed_at = now()"
        " WHERE user_id = %s",
        "users": "UPDATE users SET status = 'suspended' WHERE id = %s",
    }[change]
    slow = with_hasher(
        strict, Interrupted(strict.hasher, lambda: query(superuser_url, sql, (user_id,)))
    )
    for failures in (1, 2):
        query(superuser_url, "UPDATE users SET status = 'active' WHERE id = %s", (user_id,))
        with pytest.raises(InvalidCredentials):
            log_in(slow, email, PASSWORD, where)
        assert failures_of(superuser_url, owner) == failures
    query(superuser_url, "UPDATE users SET status = 'active' WHERE id = %s", (user_id,))
    with pytest.raises(TooManyRequests):
        log_in(strict, email, PASSWORD, where)


def test_a_change_that_is_refused_at_last_is_a_failure_in_the_trail(
    strict: Core, email: str, superuser_url: str
) -> None:
    owner, where = owner_of(strict, email), anywhere()
    sql = "UPDATE password_credentials SET changed_at = now() WHERE user_id = %s"
    slow = with_hasher(
        strict, Interrupted(strict.hasher, lambda: query(superuser_url, sql, (str(owner.user.id),)))
    )
    for failures in (1, 2):
        with pytest.raises(InvalidInput):
            slow.passwords.change(where, owner, current=PASSWORD, new=NEW)
        assert failures_of(superuser_url, owner) == failures
    with pytest.raises(TooManyRequests):
        strict.passwords.change(where, owner, current=PASSWORD, new=NEW)


@pytest.mark.parametrize("act", ACTS)
def test_a_hash_that_another_login_renews_meanwhile_is_the_same_password(
    strict: Core, email: str, superuser_url: str, act: Act
) -> None:
    """Twice, as it may be while the cost is raised in steps. The renewed hash is not overwritten by
    one that was computed before it."""
    owner, where = owner_of(strict, email), anywhere()
    stored = "SELECT password_hash FROM password_credentials WHERE user_id = %s"
    hashes = [query(superuser_url, stored, (str(owner.user.id),))]
    costs = iter((3, 4))

    def renew() -> None:
        costlier = replace(strict.settings, argon2_iterations=next(costs))
        with closing(build_core(costlier)) as later:
            log_in(later, email, PASSWORD, where)
        hashes.append(query(superuser_url, stored, (str(owner.user.id),)))

    def renew_twice() -> None:
        renew()
        renew()

    done(with_hasher(strict, Interrupted(strict.hasher, renew_twice)), act, owner, where)
    last = query(superuser_url, stored, (str(owner.user.id),))
    assert len({repr(each) for each in hashes}) == 3
    if act is logging_in:
        assert last == hashes[-1]
    assert failures_of(superuser_url, owner) == 0


@pytest.mark.parametrize("act", ACTS)
def test_a_success_forgives_failures_of_its_own_address_alone(
    strict: Core, email: str, act: Act
) -> None:
    """Else whoever guesses goes on behind each login of the owner."""
    owner = owner_of(strict, email)
    for _ in range(2):
        with pytest.raises(InvalidCredentials):
            log_in(strict, email, WRONG)
    done(strict, act, owner, anywhere())
    with pytest.raises(InvalidCredentials):
        log_in(strict, email, WRONG)
    with pytest.raises(TooManyRequests):
        log_in(strict, email, WRONG)


def test_guesses_at_work_are_bounded_at_a_known_address_by_themselves(
    strict: Core, email: str
) -> None:
    """Beyond the failures that an address has: logins at once are no failures. One too many is told
    to come back in a second."""
    home, under_way = anywhere(), list[Steps[Tokens]]()
    log_in(strict, email, PASSWORD, home)

    def begin() -> TooManyRequests | None:
        steps = strict.authentication.login.steps(home, identifier=email, password=PASSWORD)
        try:
            next(steps)
        except TooManyRequests as refusal:
            return refusal
        under_way.append(steps)
        return None

    assert [begin() for _ in range(32)] == [None] * 32
    refused = begin()
    assert refused is not None
    assert (refused.policy, refused.limit, refused.retry_after) == ("at-once", 32, 1)
    under_way.pop().close()
    log_in(strict, email, PASSWORD, home)
    for steps in under_way:
        steps.close()


def test_guesses_at_work_and_failed_ones_are_bounded_together_elsewhere(
    strict: Core, email: str
) -> None:
    """From a new address: guessing with many hands gives no guess more, and a wait of a second."""
    where, under_way = anywhere(), list[Steps[Tokens]]()
    for password in (WRONG, PASSWORD):
        steps = strict.authentication.login.steps(where, identifier=email, password=password)
        next(steps)
        under_way.append(steps)
    with pytest.raises(TooManyRequests) as refused:
        log_in(strict, email, PASSWORD, where)
    assert (refused.value.policy, refused.value.retry_after) == ("at-once", 1)
    for steps in under_way:
        steps.close()
    log_in(strict, email, PASSWORD, where)
