"""The audit trail: one row a fact, in the same transaction, provable without its payload."""

from __future__ import annotations

from uuid import UUID

import pytest

from core.adapters.postgres.storage import PostgresStorage
from core.domain.audit import leaf_hash, payload_hash
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from tests.support.clock import START
from tests.support.storage import IDS, RecordedMetrics, query

CONTEXT = RequestContext(
    request_id="request-9", trace_id="trace-9", address="192.0.2.9", user_agent="browser/9 “ü”"
)
COLUMNS = "id, type, actor, subject, occurred_at, request_id, trace_id, payload_hash, leaf_hash"


def record(storage: PostgresStorage, subject: UUID, *, commit: bool = True) -> Event:
    details = {"email": "ada@example.com", "count": 3, "nested": {"b": [True, None], "a": "ü"}}
    event = Event(type=EventType.LOGIN_SUCCEEDED, actor=IDS.new(), subject=subject, details=details)
    with storage.write(CONTEXT) as uow:
        uow.record(event)
        if commit:
            uow.commit()
    return event


def stored(superuser_url: str, subject: UUID) -> list[tuple[object, ...]]:
    select = f"SELECT {COLUMNS} FROM audit_events WHERE subject = %s"
    return query(superuser_url, select, (str(subject),))


def test_an_event_is_written_with_its_transaction(
    storage: PostgresStorage, metrics: RecordedMetrics, superuser_url: str
) -> None:
    """Row and payload in one statement; the counter follows the commit."""
    subject = IDS.new()
    event = record(storage, subject)
    assert metrics.queries == [("insert", "audit_payloads")]
    assert metrics.events == ["login.succeeded"]
    (row,) = stored(superuser_url, subject)
    assert row[1:4] == ("login.succeeded", str(event.actor), str(subject))
    assert row[4:7] == (START, "request-9", "trace-9")


def test_a_rollback_takes_the_event_and_its_count_back(
    storage: PostgresStorage, metrics: RecordedMetrics, superuser_url: str
) -> None:
    """What did not happen is neither audited nor counted."""
    subject = IDS.new()
    record(storage, subject, commit=False)
    assert stored(superuser_url, subject) == []
    assert metrics.events == []


def test_the_hashes_can_be_computed_from_what_is_stored(
    storage: PostgresStorage, superuser_url: str
) -> None:
    """A verifier that reads the rows back gets the very bytes that were hashed."""
    subject = IDS.new()
    record(storage, subject)
    (row,) = stored(superuser_url, subject)
    salt, payload = query(
        superuser_url, "SELECT salt, payload FROM audit_payloads WHERE event_id = %s", (row[0],)
    )[0]
    assert bytes(row[7]) == payload_hash(bytes(salt), payload)  # type: ignore[call-overload]
    assert bytes(row[8]) == leaf_hash(  # type: ignore[call-overload]
        id=UUID(str(row[0])),
        type=str(row[1]),
        actor=UUID(str(row[2])),
        subject=subject,
        occurred_at=START,
        request_id="request-9",
        trace_id="trace-9",
        payload_hash=bytes(row[7]),  # type: ignore[call-overload]
    )


def test_personal_data_stands_in_the_payload_only(
    storage: PostgresStorage, superuser_url: str
) -> None:
    """Deleting the payload deletes all of it, and the leaf hash stays what it was."""
    subject = IDS.new()
    record(storage, subject)
    (row,) = stored(superuser_url, subject)
    assert not any(word in str(row) for word in ("ada@", "192.0.2.9", "browser"))
    payload = query(
        superuser_url, "SELECT payload FROM audit_payloads WHERE event_id = %s", (row[0],)
    )[0][0]
    assert (payload["address"], payload["user_agent"]) == ("192.0.2.9", "browser/9 “ü”")
    assert payload["email"] == "ada@example.com"


def test_events_of_one_transaction_share_its_id(
    storage: PostgresStorage, superuser_url: str
) -> None:
    """What the sealer goes by: PostgreSQL's own transaction id."""
    subject = IDS.new()
    with storage.write(CONTEXT) as uow:
        for kind in (EventType.USER_CREATED, EventType.EMAIL_VERIFIED):
            uow.record(Event(type=kind, actor=None, subject=subject))
        uow.commit()
    rows = query(
        superuser_url,
        "SELECT DISTINCT xid::text::bigint > 0 FROM audit_events WHERE subject = %s",
        (str(subject),),
    )
    assert rows == [(True,)]


def test_a_float_cannot_be_audited(storage: PostgresStorage) -> None:
    """It has no canonical form: a defect of the caller, found at once."""
    event = Event(
        type=EventType.USER_UPDATED, actor=None, subject=None, details={"a": [{"b": 1.5}]}
    )
    with storage.write(CONTEXT) as uow, pytest.raises(TypeError, match="float"):
        uow.record(event)
