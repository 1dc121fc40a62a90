"""Repeating a request under an Idempotency-Key."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from core.adapters.postgres.storage import PostgresStorage
from core.domain.requests import AnsweredBefore, Idempotency, RequestContext, StoredAnswer
from core.errors import IdempotencyKeyReused, RequestInProgress
from tests.support.clock import FixedClock
from tests.support.storage import IDS, new_user, opened, query

DAY = 24 * 3600


def key(**changes: object) -> Idempotency:
    """A key of its own, whose answer is 201 with the result as its body."""
    idempotency = Idempotency(
        principal="user-1",
        route="POST /v1/things",
        key=str(IDS.new()),
        fingerprint=b"digest of the body",
        render=lambda result: StoredAnswer(201, str(result).encode()),
    )
    return replace(idempotency, **changes)  # type: ignore[arg-type]


def run(storage: PostgresStorage, idempotency: Idempotency, result: str = "made") -> None:
    with storage.write(RequestContext(request_id="r", idempotency=idempotency)) as uow:
        uow.commit(result)


def test_the_first_answer_is_given_again(storage: PostgresStorage) -> None:
    """Status and body as they were, and nothing is done a second time."""
    idempotency = key()
    run(storage, idempotency, "first")
    with pytest.raises(AnsweredBefore) as repeated:
        run(storage, idempotency, "second")
    assert repeated.value.answer == StoredAnswer(201, b"first")


def test_another_body_under_the_same_key_is_refused(storage: PostgresStorage) -> None:
    """The key stands for one request."""
    idempotency = key()
    run(storage, idempotency)
    with pytest.raises(IdempotencyKeyReused):
        run(storage, replace(idempotency, fingerprint=b"another"))


@pytest.mark.parametrize("change", [{"principal": "user-2"}, {"route": "POST /v1/others"}])
def test_a_key_belongs_to_a_principal_and_a_route(
    storage: PostgresStorage, change: dict[str, str]
) -> None:
    """Nobody gets another's answer by guessing the key."""
    idempotency = key()
    run(storage, idempotency)
    run(storage, replace(idempotency, **change))  # type: ignore[arg-type]


def test_a_rolled_back_request_may_be_sent_again(storage: PostgresStorage) -> None:
    """The answer and the work are one transaction."""
    idempotency = key()
    with storage.write(RequestContext(request_id="r", idempotency=idempotency)) as uow:
        uow.users.insert(new_user())
    run(storage, idempotency)


def test_a_repetition_while_the_first_is_at_work_is_told_so(storage: PostgresStorage) -> None:
    """At once, without waiting for the first to end."""
    idempotency = key()
    with storage.write(RequestContext(request_id="r", idempotency=idempotency)) as uow:
        with pytest.raises(RequestInProgress):
            run(storage, idempotency)
        uow.commit("first")
    with pytest.raises(AnsweredBefore):
        run(storage, idempotency)


def test_twenty_at_once_do_the_work_once(storage: PostgresStorage, database_url: str) -> None:
    """The others hear that it is in progress, or get the answer."""
    idempotency = key()
    start = threading.Barrier(20)

    def attempt(_: int) -> str:
        start.wait(timeout=30)
        try:
            run(crowd.storage, idempotency)
        except AnsweredBefore as repeated:
            return repeated.answer.body.decode()
        except RequestInProgress:
            return "in progress"
        return "done"

    with opened(database_url, database_pool_timeout=20.0) as crowd, ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(attempt, range(20)))
    assert outcomes.count("done") == 1
    assert set(outcomes) <= {"done", "made", "in progress"}


def test_an_answer_is_kept_for_a_day(storage: PostgresStorage, clock: FixedClock) -> None:
    """After that the key may stand for something new, also before housekeeping came by."""
    idempotency = key()
    run(storage, idempotency, "old")
    clock.advance(seconds=DAY - 1)
    with pytest.raises(AnsweredBefore):
        run(storage, idempotency)
    clock.advance(seconds=1)
    run(storage, replace(idempotency, fingerprint=b"something new"), "new")


def test_answers_are_sealed_and_keys_are_not_kept(
    storage: PostgresStorage, superuser_url: str
) -> None:
    """Who reads the table learns neither answer nor key, and cannot guess at the request: the
    digest of a sign-up's body is one of its password."""
    idempotency = key()
    everything = "SELECT * FROM idempotency_records"
    before = len(query(superuser_url, everything))
    run(storage, idempotency, "a very private answer")
    rows = query(superuser_url, everything)
    assert len(rows) == before + 1
    cells = [cell for row in rows for cell in row]
    stored = [bytes(cell) if isinstance(cell, memoryview) else str(cell).encode() for cell in cells]
    for secret in (b"private", idempotency.key.encode(), idempotency.fingerprint):
        assert not [cell for cell in stored if secret in cell]
