"""Reading the audit trail from PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any
from uuid import UUID

import pytest

from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.domain.trail import AuditEntry, AuditQuery
from tests.support.clock import START
from tests.support.storage import IDS, Opened, opened, query

CONTEXT = RequestContext(request_id="request-3", trace_id="trace-3", address="192.0.2.3")
TYPES = (EventType.LOGIN_SUCCEEDED, EventType.LOGIN_FAILED, EventType.USER_SUSPENDED)
ACTORS = (IDS.new(), IDS.new(), None)
SUBJECTS = (IDS.new(), IDS.new())
SPACING = 0.25
COUNT = 40


@pytest.fixture(scope="module")
def trail(database_url: str) -> Iterator[tuple[Opened, datetime, list[AuditEntry]]]:
    """Forty events, four a second, newest first; the storage, and the moment of the first."""
    with opened(database_url, ids_by_clock=True) as service:
        service.clock.advance(seconds=1e6)
        begin = service.clock.now()
        for number in range(COUNT):
            event = Event(
                type=TYPES[number % 3],
                actor=ACTORS[number // 4 % 3],
                subject=SUBJECTS[number // 5 % 2],
                details={"number": number},
            )
            with service.storage.write(CONTEXT) as uow:
                uow.record(event)
                uow.commit()
            service.clock.advance(seconds=SPACING)
        yield service, begin, read(service, AuditQuery(after=begin))


def read(service: Opened, wanted: AuditQuery, *, limit: int = 1000) -> list[AuditEntry]:
    """Page behind page."""
    found: list[AuditEntry] = []
    while True:
        with service.storage.read() as stores:
            after = found[-1].id if found else None
            page = stores.audit.page(wanted, after=after, limit=limit)
        found += page
        if len(page) < limit:
            return found


def test_events_are_read_back_as_written(
    trail: tuple[Opened, datetime, list[AuditEntry]],
) -> None:
    """Newest first, with what the request was and where it came from."""
    _, begin, entries = trail
    assert len(entries) == COUNT
    numbers = [entry.payload and entry.payload["number"] for entry in entries]
    assert numbers == list(reversed(range(COUNT)))
    last = entries[-1]
    assert (last.type, last.actor, last.subject) == (TYPES[0], ACTORS[0], SUBJECTS[0])
    assert (last.occurred_at, last.request_id, last.trace_id) == (begin, "request-3", "trace-3")
    assert last.payload == {"number": 0, "address": "192.0.2.3"}


def test_a_list_holds_what_it_asks_for(
    trail: tuple[Opened, datetime, list[AuditEntry]],
) -> None:
    """With every filter alone and with every combination of them, page by page."""
    service, begin, entries = trail
    end = begin + timedelta(seconds=COUNT * SPACING)
    filters: dict[str, Any] = {
        "actor": ACTORS[1],
        "subject": SUBJECTS[0],
        "type": TYPES[1],
        "after": begin + timedelta(seconds=1.125),
        "before": begin + timedelta(seconds=8.5),
    }
    sizes = set()
    for size in range(len(filters) + 1):
        for names in combinations(filters, size):
            given = {name: filters[name] for name in names}
            wanted = AuditQuery(**{"after": begin, "before": end, **given})
            found = [entry for entry in entries if fits(entry, wanted)]
            assert read(service, wanted, limit=3) == found, names
            sizes.add(len(found))
    assert max(sizes) == COUNT
    assert 0 < min(sizes) < 3


def fits(entry: AuditEntry, wanted: AuditQuery) -> bool:
    return (
        wanted.actor in {None, entry.actor}
        and wanted.subject in {None, entry.subject}
        and wanted.type in {None, entry.type}
        and (wanted.after is None or entry.occurred_at >= wanted.after)
        and (wanted.before is None or entry.occurred_at < wanted.before)
    )


def test_times_are_exact(trail: tuple[Opened, datetime, list[AuditEntry]]) -> None:
    """From the very moment, up to but without the very moment."""
    service, begin, entries = trail
    moment = begin + timedelta(seconds=10 * SPACING)
    found = read(service, AuditQuery(after=moment, before=moment + timedelta(seconds=SPACING)))
    assert found == [entries[COUNT - 11]]
    tick = timedelta(milliseconds=1)
    assert read(service, AuditQuery(after=moment + tick, before=moment + 200 * tick)) == []
    assert read(service, AuditQuery(after=moment, before=moment + tick)) == found
    assert read(service, AuditQuery(after=moment, before=moment)) == []


@pytest.mark.parametrize("seconds", [-0.9, 0.9])
def test_an_id_may_be_a_little_older_or_younger_than_its_event(
    trail: tuple[Opened, datetime, list[AuditEntry]], superuser_url: str, seconds: float
) -> None:
    """The two are not read from the clock at one moment."""
    service, begin, _ = trail
    moment = begin + timedelta(days=1 if seconds < 0 else 2)
    made = moment + timedelta(seconds=seconds)
    event_id = UUID(int=int(made.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62)
    query(
        superuser_url,
        "INSERT INTO audit_events (id, type, occurred_at, request_id, payload_hash, leaf_hash)"
        " VALUES (%s, 'late', %s, 'r', sha256(''), sha256(''))",
        (str(event_id), moment),
    )
    tick = timedelta(milliseconds=1)
    (found,) = read(service, AuditQuery(after=moment, before=moment + tick))
    assert (found.id, found.actor, found.subject, found.payload) == (event_id, None, None, None)


def test_an_erased_payload_is_none(
    trail: tuple[Opened, datetime, list[AuditEntry]], superuser_url: str
) -> None:
    """The event stays."""
    service, _, _ = trail
    subject = IDS.new()
    with service.storage.write(CONTEXT) as uow:
        uow.record(Event(type=TYPES[0], actor=None, subject=subject, details={"a": 1}))
        uow.commit()
    (before,) = read(service, AuditQuery(subject=subject))
    assert before.payload is not None
    query(superuser_url, "DELETE FROM audit_payloads WHERE event_id = %s", (str(before.id),))
    (after,) = read(service, AuditQuery(subject=subject))
    assert (after.id, after.payload) == (before.id, None)


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_any_time_can_be_asked_for(
    trail: tuple[Opened, datetime, list[AuditEntry]], year: int
) -> None:
    """Before the first id and behind the last there is nothing, and no error."""
    service, begin, entries = trail
    moment = START.replace(year=year)
    assert read(service, AuditQuery(after=moment, before=moment + timedelta(days=1))) == []
    if year < 2000:
        assert read(service, AuditQuery(before=moment)) == []
    else:
        found = read(service, AuditQuery(after=begin, before=moment))
        assert found[-COUNT:] == entries
