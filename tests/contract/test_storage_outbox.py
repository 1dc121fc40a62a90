"""The outbox: promises of a commit, leased by workers."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from core.adapters.postgres.storage import PostgresStorage
from core.domain.requests import RequestContext
from core.ports.messaging import MailTemplate
from core.ports.storage import OutboxCounts, OutboxKind, OutboxMessage, ParkedMessage
from tests.support.clock import START, FixedClock
from tests.support.storage import IDS, query

CONTEXT = RequestContext(request_id="request-7", trace_id="trace-7")
LEASE = timedelta(seconds=30)
WORKER = "worker-1"


@pytest.fixture(autouse=True)
def empty(superuser_url: str, database_url: str) -> None:
    """The outbox is one queue; each test begins with none."""
    query(superuser_url, "DELETE FROM outbox")


def enqueue(storage: PostgresStorage, count: int = 1) -> None:
    with storage.write(CONTEXT) as uow:
        for _ in range(count):
            uow.outbox.enqueue_mail(MailTemplate.RESET_PASSWORD, code_id=IDS.new())
        uow.commit()


def lease(
    storage: PostgresStorage, *, owner: str = WORKER, limit: int = 10, now: datetime = START
) -> Sequence[OutboxMessage]:
    with storage.write(CONTEXT) as uow:
        leased = uow.outbox.lease(owner=owner, limit=limit, until=now + LEASE, now=now)
        uow.commit()
    return leased


def begin(
    storage: PostgresStorage, message_id: UUID, *, owner: str = WORKER, until: datetime = START
) -> int | None:
    with storage.write(CONTEXT) as uow:
        attempt = uow.outbox.begin(message_id, owner=owner, until=max(until, START + LEASE))
        uow.commit()
    return attempt


def park(storage: PostgresStorage, *, now: datetime = START) -> UUID:
    """A new message, tried once and given up."""
    enqueue(storage)
    (message,) = lease(storage, limit=1, now=now + LEASE)
    begin(storage, message.id)
    with storage.write(CONTEXT) as uow:
        assert uow.outbox.park(message.id, owner=WORKER, error="550 no", now=now)
        uow.commit()
    return message.id


def test_a_message_refers_to_what_has_to_be_done(storage: PostgresStorage) -> None:
    """Template, ids and the request it came from: no secret, no address."""
    code_id, user_id = IDS.new(), IDS.new()
    with storage.write(CONTEXT) as uow:
        uow.outbox.enqueue_mail(MailTemplate.VERIFY_EMAIL, code_id=code_id, user_id=user_id)
        uow.commit()
    (message,) = lease(storage)
    assert message.kind is OutboxKind.MAIL
    assert message.payload == {
        "template": "verify_email",
        "code_id": str(code_id),
        "user_id": str(user_id),
        "request_id": "request-7",
        "trace_id": "trace-7",
    }
    assert (message.attempts, message.created_at) == (0, START)


def test_what_was_rolled_back_is_never_sent(storage: PostgresStorage) -> None:
    """The message is part of the transaction."""
    with storage.write(CONTEXT) as uow:
        uow.outbox.enqueue_mail(MailTemplate.VERIFY_EMAIL, user_id=IDS.new())
    assert lease(storage) == []


def test_a_lease_runs_out(storage: PostgresStorage) -> None:
    """A worker that died loses its message."""
    enqueue(storage)
    assert len(lease(storage)) == 1
    assert lease(storage, now=START + LEASE - timedelta(seconds=1)) == []
    assert len(lease(storage, owner="worker-2", now=START + LEASE)) == 1


def test_what_is_begun_is_an_attempt_and_what_is_leased_is_none(storage: PostgresStorage) -> None:
    """Messages that a worker took and handed back untried lose none of their attempts."""
    enqueue(storage)
    (message,) = lease(storage)
    assert begin(storage, message.id) == 1
    assert begin(storage, message.id) == 2
    (again,) = lease(storage, owner="worker-2", now=START + LEASE)
    assert again.attempts == 2


def test_a_message_that_is_begun_has_a_lease_of_its_own(storage: PostgresStorage) -> None:
    """However long those before it in the batch have taken."""
    enqueue(storage)
    (message,) = lease(storage)
    begin(storage, message.id, until=START + 2 * LEASE)
    assert lease(storage, owner="worker-2", now=START + LEASE) == []
    assert len(lease(storage, owner="worker-2", now=START + 2 * LEASE)) == 1


def test_a_message_of_somebody_elses_is_not_begun(storage: PostgresStorage) -> None:
    """A worker that slept through its lease sends nothing a second time."""
    enqueue(storage)
    (message,) = lease(storage)
    (taken,) = lease(storage, owner="worker-2", now=START + LEASE)
    assert begin(storage, message.id) is None
    assert begin(storage, taken.id, owner="worker-2") == 1


def test_workers_share_the_queue_without_waiting(storage: PostgresStorage) -> None:
    """Ten workers at once take each of fifty messages once, within their limit."""
    enqueue(storage, 50)

    def take(number: int) -> list[UUID]:
        taken = lease(storage, owner=f"worker-{number}", limit=5)
        assert len(taken) <= 5
        return [message.id for message in taken]

    with ThreadPoolExecutor(10) as threads:
        ids = [each for part in threads.map(take, range(10)) for each in part]
    ids += [message.id for message in lease(storage, limit=50)]
    assert len(ids) == len(set(ids)) == 50


def test_the_oldest_come_first(storage: PostgresStorage, clock: FixedClock) -> None:
    """A batch holds the messages that have waited longest, in order."""
    for _ in range(4):
        enqueue(storage)
        clock.advance(seconds=1)
    taken = lease(storage, limit=2, now=clock.now())
    taken = [*taken, *lease(storage, limit=2, now=clock.now())]
    assert [each.created_at for each in taken] == [START + timedelta(seconds=n) for n in range(4)]


def test_only_the_holder_of_the_lease_settles_a_message(
    storage: PostgresStorage, superuser_url: str
) -> None:
    """A worker whose lease ran out changes nothing any more."""
    enqueue(storage)
    (message,) = lease(storage, owner="worker-2")
    with storage.write(CONTEXT) as uow:
        assert not uow.outbox.done(message.id, owner=WORKER)
        assert not uow.outbox.retry(message.id, owner=WORKER, at=START, error="late")
        assert not uow.outbox.park(message.id, owner=WORKER, error="late", now=START)
        uow.commit()
    assert query(superuser_url, "SELECT lease_owner, last_error, parked_at FROM outbox") == [
        ("worker-2", None, None)
    ]
    with storage.write(CONTEXT) as uow:
        assert uow.outbox.done(message.id, owner="worker-2")
        assert not uow.outbox.done(message.id, owner="worker-2")
        uow.commit()
    assert lease(storage, now=START + LEASE) == []


def test_a_retry_waits_for_its_time(storage: PostgresStorage, superuser_url: str) -> None:
    """And keeps the reason for whoever looks."""
    enqueue(storage)
    (message,) = lease(storage)
    later = START + timedelta(minutes=5)
    with storage.write(CONTEXT) as uow:
        uow.outbox.retry(message.id, owner=WORKER, at=later, error="421 busy")
        uow.commit()
    assert lease(storage, now=later - timedelta(seconds=1)) == []
    assert query(superuser_url, "SELECT last_error, lease_owner FROM outbox") == [
        ("421 busy", None)
    ]
    assert [each.id for each in lease(storage, now=later)] == [message.id]


def test_a_parked_message_stays_for_a_human(storage: PostgresStorage, superuser_url: str) -> None:
    """It is never leased again, and not lost."""
    enqueue(storage)
    (message,) = lease(storage)
    with storage.write(CONTEXT) as uow:
        uow.outbox.park(message.id, owner=WORKER, error="550 no such user", now=START)
        uow.commit()
    assert lease(storage, now=START + timedelta(days=9)) == []
    assert query(superuser_url, "SELECT id::text, parked_at FROM outbox") == [
        (str(message.id), START)
    ]


def test_a_worker_that_stops_hands_back_its_leases(storage: PostgresStorage) -> None:
    """Others get them at once; leases of others are left alone."""
    enqueue(storage, 3)
    assert len(lease(storage, limit=2)) == 2
    assert len(lease(storage, owner="worker-2")) == 1
    with storage.write(CONTEXT) as uow:
        assert uow.outbox.release(owner=WORKER, now=START) == 2
        uow.commit()
    assert len(lease(storage, owner="worker-3")) == 2


def test_what_waits_is_counted(storage: PostgresStorage) -> None:
    """Pending ones with those under way, the longest due of those that nobody has, and the
    parked."""
    with storage.read() as stores:
        assert stores.outbox.counts(now=START) == OutboxCounts(
            pending=0, oldest_due_at=None, parked=0
        )
    park(storage)
    enqueue(storage, 3)
    (leased,) = lease(storage, limit=1)
    later = START + timedelta(minutes=1)
    with storage.write(CONTEXT) as uow:
        uow.outbox.retry(leased.id, owner=WORKER, at=later + LEASE, error="421")
        uow.commit()
    with storage.read() as stores:
        counts = stores.outbox.counts(now=later)
        assert counts == OutboxCounts(pending=3, oldest_due_at=START, parked=1)
    assert len(lease(storage, now=later)) == 2
    with storage.read() as stores:
        counts = stores.outbox.counts(now=later)
        assert counts == OutboxCounts(pending=3, oldest_due_at=None, parked=1)


def test_parked_messages_are_shown_without_what_they_refer_to(storage: PostgresStorage) -> None:
    """The latest first: which mail, when, how often, and why it was given up."""
    first = park(storage)
    second = park(storage, now=START + timedelta(seconds=1))
    with storage.read() as stores:
        shown = stores.outbox.parked(limit=10)
        assert [each.id for each in shown] == [second, first]
        assert [each.id for each in stores.outbox.parked(limit=1)] == [second]
    assert shown[1] == ParkedMessage(
        id=first,
        template="reset_password",
        attempts=1,
        created_at=START,
        parked_at=START,
        error="550 no",
    )


def test_a_parked_message_can_be_made_due_again(storage: PostgresStorage) -> None:
    """With all its attempts before it; one that is not parked is left as it is."""
    parked, other = park(storage), park(storage)
    with storage.write(CONTEXT) as uow:
        assert uow.outbox.requeue(parked, now=START)
        assert not uow.outbox.requeue(parked, now=START)
        assert not uow.outbox.requeue(IDS.new(), now=START)
        uow.commit()
    (again,) = lease(storage)
    assert (again.id, again.attempts) == (parked, 0)
    with storage.write(CONTEXT) as uow:
        assert uow.outbox.requeue_all(now=START) == 1
        uow.commit()
    assert [each.id for each in lease(storage)] == [other]
