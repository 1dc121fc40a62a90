"""What the owner's functions erase and delete for the service, and what they never touch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

import psycopg2
import pytest

from core.adapters.postgres.trail import first_id
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.domain.user import UserStatus
from core.ports.storage import Retention
from tests.contract.test_storage_codes import new_code
from tests.support.storage import (
    CONTEXT,
    IDS,
    Opened,
    insert_session,
    insert_user,
    opened,
    query,
)

DAY = timedelta(days=1)
LONG_AGO = datetime(2010, 2, 3, tzinfo=UTC)
KEEP = Retention(parked_mails=DAY, suppressions=DAY, anonymous_payloads=30 * DAY)
CLIENT = RequestContext(request_id="r", address="192.0.2.7", user_agent="browser/7")
ACTOR, SUBJECT = IDS.new(), IDS.new()


_PLACES = count()


@pytest.fixture
def service(database_url: str, superuser_url: str) -> Iterator[Opened]:
    """At a moment long ago that no other test has, with everything before it erased."""
    moment = LONG_AGO + next(_PLACES) * 100 * DAY
    query(superuser_url, "UPDATE erasure_marks SET reached = %s", (str(first_id(moment)),))
    with opened(database_url, ids_by_clock=True) as service:
        service.clock.advance(seconds=(moment - service.clock.now()).total_seconds())
        yield service


def record(
    service: Opened,
    *,
    actor: UUID | None = None,
    subject: UUID | None = None,
    context: RequestContext = CLIENT,
) -> UUID:
    event = Event(type=EventType.LOGIN_FAILED, actor=actor, subject=subject, details={"a": 1})
    with service.storage.write(context) as uow:
        event_id = uow.record(event)
        uow.commit()
    return event_id


def erase(service: Opened, *, later: timedelta, batch: int = 100) -> int:
    with service.storage.read() as stores:
        now = service.clock.now() + later
        counts = stores.housekeeping.delete_expired(now=now, batch=batch, keep=KEEP)
    return counts["anonymous_payloads"]


def payloads(service: Opened, *event_ids: UUID) -> list[bool]:
    """Whether each still has one; the events themselves all stay."""
    with service.storage.read() as stores:
        return [stores.audit.payload(event_id) is not None for event_id in event_ids]


def test_payloads_of_nobody_known_are_erased_when_their_time_is_over(service: Opened) -> None:
    """At the very moment; not those by or about somebody, nor of commands, which tell of no
    client."""
    anonymous, by, about = (
        record(service),
        record(service, actor=ACTOR),
        record(service, subject=SUBJECT),
    )
    command = record(service, context=CONTEXT)
    assert erase(service, later=30 * DAY) == 0
    assert payloads(service, anonymous, by, about, command) == [True] * 4
    assert erase(service, later=30 * DAY + timedelta(milliseconds=1)) == 2
    assert payloads(service, anonymous, by, about, command) == [False, True, True, True]


def test_only_the_payload_goes_and_the_event_stays_as_it_was(
    service: Opened, superuser_url: str
) -> None:
    """With its hashes, so that the trail can still be proven."""
    event_id = record(service)
    row = f"SELECT audit_events::text FROM audit_events WHERE id = '{event_id}'"
    before = query(superuser_url, row)
    assert erase(service, later=40 * DAY) == 1
    assert query(superuser_url, row) == before
    assert payloads(service, event_id) == [False]


def test_each_look_goes_on_where_the_last_one_stopped(service: Opened, superuser_url: str) -> None:
    """Events stay for ever: none is looked at twice."""
    events = [record(service) for _ in range(5)]
    looks = [erase(service, later=40 * DAY, batch=2) for _ in range(4)]
    assert looks == [2, 2, 1, 0]
    assert payloads(service, *events) == [False] * 5
    ((reached,),) = query(superuser_url, "SELECT reached FROM erasure_marks")
    assert reached == str(events[-1])


def test_two_workers_neither_wait_for_each_other_nor_leave_a_gap(
    service: Opened, database_url: str, superuser_url: str
) -> None:
    """The second finds the mark taken and comes again; a rollback moves no mark."""
    event_id = record(service)
    call, before = "SELECT erase_anonymous_payloads(%s, 100)", first_id(service.clock.now() + DAY)
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute(call, (str(before),))
        assert cursor.fetchall() == [(1,)]
        assert erase(service, later=40 * DAY) == 0
        other.rollback()
    assert payloads(service, event_id) == [True]
    assert erase(service, later=40 * DAY) == 1


def test_nobody_erases_the_traces_of_today(
    service: Opened, database_url: str, superuser_url: str
) -> None:
    """Not even with the password of the service, and the function's own arguments."""
    now = datetime.now(UTC)
    query(superuser_url, "UPDATE erasure_marks SET reached = %s", (str(first_id(now - 2 * DAY)),))
    service.clock.advance(seconds=(now - service.clock.now()).total_seconds())
    event_id = record(service)
    assert erase(service, later=3650 * DAY) == 0
    everything = "SELECT erase_anonymous_payloads('ffffffff-ffff-ffff-ffff-ffffffffffff', 100)"
    assert query(database_url, everything) == [(0,)]
    assert payloads(service, event_id) == [True]


def pending(service: Opened, **changes: object) -> UUID:
    """Somebody whom an administrator created long ago, and who never came."""
    fields = {"status": UserStatus.PENDING, "email_verified": False, "created_at": LONG_AGO}
    return insert_user(service.storage, **(fields | changes)).id


def expire(service: Opened, *, after: timedelta, batch: int = 100) -> list[UUID]:
    with service.storage.write(CONTEXT) as uow:
        gone = uow.housekeeping.expire_users(before=LONG_AGO + after, batch=batch)
        uow.commit()
    return list(gone)


@pytest.fixture
def nobody_else(superuser_url: str) -> None:
    query(superuser_url, "DELETE FROM users WHERE status = 'pending'")


@pytest.mark.usefixtures("nobody_else")
def test_who_never_came_is_deleted_when_their_time_is_over(
    service: Opened, superuser_url: str
) -> None:
    """At the very moment, a batch at a time, the oldest first; nothing of them stays."""
    first = pending(service)
    second = pending(service, created_at=LONG_AGO + DAY)
    assert expire(service, after=-timedelta(milliseconds=1)) == []
    assert expire(service, after=10 * DAY, batch=1) == [first]
    assert expire(service, after=10 * DAY, batch=1) == [second]
    left = "SELECT count(*) FROM user_logins WHERE user_id = ANY (%s::uuid[])"
    assert query(superuser_url, left, ([str(first), str(second)],)) == [(0,)]


KEPT: dict[str, Callable[[Opened, UUID], object]] = {
    "a password": lambda service, user: change(
        service, lambda uow: uow.credentials.set_password(user, "hash", now=LONG_AGO)
    ),
    "a role": lambda service, user: change(
        service, lambda uow: uow.access.grant(user, "support", granted_by=None, now=LONG_AGO)
    ),
    "a session": lambda service, user: insert_session(service.storage, user),
    "an invitation": lambda service, user: change(
        service, lambda uow: uow.codes.insert(new_code(user_id=user), digest=user.bytes)
    ),
    "a change": lambda service, user: change(
        service,
        lambda uow: uow.users.update(
            user, {"display_name": "Ada"}, expected_version=None, now=LONG_AGO + 20 * DAY
        ),
    ),
    "a verified address": lambda service, user: change(
        service,
        lambda uow: uow.users.update(
            user, {"email_verified": True}, expected_version=None, now=LONG_AGO
        ),
    ),
    **{
        status.value: lambda service, user, status=status: change(  # type: ignore[misc]
            service,
            lambda uow: uow.users.update(
                user, {"status": status}, expected_version=None, now=LONG_AGO
            ),
        )
        for status in (UserStatus.ACTIVE, UserStatus.SUSPENDED, UserStatus.DEACTIVATED)
    },
}


def change(service: Opened, act: Callable[..., object]) -> None:
    with service.storage.write(CONTEXT) as uow:
        act(uow)
        uow.commit()


@pytest.mark.usefixtures("nobody_else")
@pytest.mark.parametrize("what", KEPT)
def test_who_has_something_is_kept(service: Opened, what: str) -> None:
    """Beside somebody who has nothing."""
    user, other = pending(service), pending(service)
    KEPT[what](service, user)
    assert expire(service, after=10 * DAY) == [other]
    with service.storage.read() as stores:
        assert stores.users.by_id(user) is not None


@pytest.mark.usefixtures("nobody_else")
def test_who_is_being_worked_on_is_left_for_later(service: Opened, database_url: str) -> None:
    """Whoever accepts an invitation, or is given a role, holds the row."""
    user = pending(service)
    with closing(psycopg2.connect(database_url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT FROM users WHERE id = %s FOR UPDATE", (str(user),))
        assert expire(service, after=10 * DAY) == []
        other.rollback()
    assert expire(service, after=10 * DAY) == [user]


@pytest.mark.usefixtures("nobody_else")
def test_nobody_deletes_users_of_this_month(service: Opened, database_url: str) -> None:
    """Not even with the password of the service, and the function's own arguments."""
    now = datetime.now(UTC)
    user = pending(service, created_at=now - 29 * DAY)
    old = pending(service, created_at=now - 31 * DAY)
    everybody = "SELECT expire_pending_users('infinity', 100)"
    assert query(database_url, everybody) == [(str(old),)]
    with service.storage.read() as stores:
        assert stores.users.by_id(user) is not None


@pytest.mark.usefixtures("nobody_else")
@pytest.mark.parametrize(
    "came",
    [
        EventType.LOGIN_SUCCEEDED,
        EventType.EMAIL_VERIFIED,
        EventType.PASSWORD_RESET,
        EventType.PASSWORD_CHANGED,
    ],
)
def test_nobody_deletes_users_who_came(service: Opened, came: EventType) -> None:
    """The password of the service may write what else tells of it, but not the trail."""
    user, other = pending(service), pending(service)
    with service.storage.write(CLIENT) as uow:
        uow.record(Event(type=came, actor=user, subject=user))
        uow.commit()
    assert expire(service, after=10 * DAY) == [other]


@pytest.mark.usefixtures("nobody_else")
def test_the_addresses_that_they_had_go_with_them(service: Opened) -> None:
    """Who did what to them stays."""
    user, details = (
        pending(service),
        {"former_email": "a@example.com", "new_email": "b@example.com"},
    )
    created = Event(type=EventType.USER_CREATED, actor=ACTOR, subject=user)
    moved = Event(type=EventType.EMAIL_CHANGED, actor=ACTOR, subject=user, details=details)
    somebody_else = replace(moved, subject=SUBJECT)
    with service.storage.write(CLIENT) as uow:
        events = [uow.record(each) for each in (created, moved, somebody_else)]
        uow.commit()
    assert expire(service, after=10 * DAY) == [user]
    assert payloads(service, *events) == [True, False, True]
