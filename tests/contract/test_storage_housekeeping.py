"""Deleting what has no use any more."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest

from core.adapters.postgres.housekeeping import FORGET_ADDRESS, KEEP_REVOKED
from core.adapters.postgres.storage import PostgresStorage
from core.domain.requests import Idempotency, RequestContext, StoredAnswer
from core.domain.session import RevokeReason
from core.ports.messaging import MailTemplate, SuppressionReason
from core.ports.session_stores import Bucket
from core.ports.storage import Retention
from tests.contract.test_storage_codes import new_code
from tests.contract.test_storage_credentials import pending
from tests.support.clock import START
from tests.support.storage import (
    IDS,
    RecordedMetrics,
    insert_user,
    new_session,
    query,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TABLES = (
    "one_time_codes",
    "pending_registrations",
    "sign_up_passwords",
    "idempotency_records",
    "throttles",
    "known_addresses",
    "sessions",
    "outbox",
    "mail_suppressions",
)
KEEP = Retention(
    parked_mails=30 * DAY, suppressions=400 * DAY, anonymous_payloads=timedelta(days=30)
)


@pytest.fixture(autouse=True)
def empty(superuser_url: str, storage: PostgresStorage) -> None:
    """Counts are of whole tables."""
    query(superuser_url, f"TRUNCATE {', '.join(TABLES)}")
    # Events stay: those of other tests count as passed.
    query(
        superuser_url, "UPDATE erasure_marks SET reached = 'ffffffff-ffff-ffff-ffff-ffffffffffff'"
    )


def fill(storage: PostgresStorage, copies: int = 1) -> None:
    """In each table as many rows that end an hour after START as in a hundred days."""
    user = insert_user(storage)
    for end in [START + HOUR, START + 100 * DAY] * copies:
        key = Idempotency(
            principal="p",
            route="POST /",
            key=str(IDS.new()),
            fingerprint=b"f",
            render=lambda _: StoredAnswer(200, b"{}"),
        )
        with storage.write(RequestContext(request_id="r", idempotency=key)) as uow:
            code = new_code(expires_at=end)
            uow.codes.insert(code, digest=code.id.bytes)
            uow.registrations.insert(pending("a@example.com", expires_at=end))
            uow.registrations.keep_password(IDS.new().bytes, until=end)
            window = int((end - START).total_seconds())
            bucket = Bucket(key=IDS.new().bytes, limit=1, window=window, policy="p")
            uow.throttles.charge([bucket], now=START)
            seen = end - FORGET_ADDRESS
            uow.credentials.remember_address(user.id, IDS.new().bytes, now=seen)
            uow.sessions.insert(new_session(user.id, absolute_expires_at=end))
            revoked = new_session(user.id, absolute_expires_at=START + 300 * DAY)
            uow.sessions.insert(revoked)
            reason, moment = RevokeReason.LOGOUT, end - KEEP_REVOKED
            uow.sessions.revoke(revoked.id, user_id=user.id, reason=reason, now=moment)
            uow.outbox.enqueue_mail(MailTemplate.PASSWORD_CHANGED, user_id=user.id)
            (mail,) = uow.outbox.lease(owner="o", limit=1, until=START, now=START)
            uow.outbox.park(mail.id, owner="o", error="e", now=end - KEEP.parked_mails)
            uow.outbox.enqueue_mail(MailTemplate.PASSWORD_CHANGED, user_id=user.id)
            since = end - KEEP.suppressions
            uow.suppressions.add(IDS.new().bytes, SuppressionReason.BOUNCED, now=since)
            uow.commit()


def clean(storage: PostgresStorage, *, after: timedelta, batch: int = 100) -> dict[str, int]:
    with storage.read() as stores:
        return dict(stores.housekeeping.delete_expired(now=START + after, batch=batch, keep=KEEP))


def test_what_has_ended_is_deleted_and_the_rest_is_kept(storage: PostgresStorage) -> None:
    """At the very moment of its end; answers are kept for a day."""
    fill(storage, copies=2)
    assert not any(clean(storage, after=HOUR - timedelta(seconds=1)).values())
    assert clean(storage, after=HOUR) == {
        "one_time_codes": 2,
        "pending_registrations": 2,
        "sign_up_passwords": 2,
        "idempotency_records": 0,
        "throttles": 2,
        "known_addresses": 2,
        "sessions": 2,
        "revoked_sessions": 2,
        "parked_mails": 2,
        "suppressions": 2,
        "anonymous_payloads": 0,
    }
    assert not any(clean(storage, after=HOUR).values())
    assert clean(storage, after=DAY)["idempotency_records"] == 4


def test_counters_that_others_hold_are_left_for_the_next_time(
    storage: PostgresStorage, superuser_url: str
) -> None:
    """A login locks two of them in the order of their keys; in another order, each might wait for
    the other."""
    fill(storage, copies=2)
    with closing(psycopg2.connect(superuser_url)) as other, other.cursor() as cursor:
        held = "SELECT FROM {0} WHERE {1} < %s ORDER BY {1} LIMIT 1 FOR UPDATE"
        for table, column in (("throttles", "expires_at"), ("known_addresses", "last_seen_at")):
            cursor.execute(held.format(table, column), (START + DAY,))
            assert cursor.rowcount == 1
        deleted = clean(storage, after=HOUR)
        assert (deleted["throttles"], deleted["known_addresses"]) == (1, 1)
        # Without it the server lets go some time later, when it has noticed the end.
        other.rollback()
    deleted = clean(storage, after=HOUR)
    assert (deleted["throttles"], deleted["known_addresses"]) == (1, 1)


def test_a_batch_bounds_each_statement(storage: PostgresStorage, metrics: RecordedMetrics) -> None:
    """No statement deletes more, so that none holds locks for long."""
    fill(storage, copies=3)
    metrics.queries.clear()
    assert clean(storage, after=HOUR, batch=2)["one_time_codes"] == 2
    assert clean(storage, after=HOUR, batch=2)["one_time_codes"] == 1
    assert clean(storage, after=HOUR, batch=2)["one_time_codes"] == 0
    assert metrics.queries[:11] == [
        ("delete", "one_time_codes"),
        ("delete", "pending_registrations"),
        ("delete", "sign_up_passwords"),
        ("delete", "idempotency_records"),
        ("delete", "throttles"),
        ("delete", "known_addresses"),
        ("delete", "sessions"),
        ("delete", "sessions"),
        ("delete", "outbox"),
        ("delete", "mail_suppressions"),
        ("select", "other"),
    ]
