"""What housekeeping deletes of the trail and of users, as administrators see it."""

from __future__ import annotations

import secrets
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.bootstrap import Core, build_core
from core.domain.events import Event, EventType
from core.domain.requests import RequestContext
from core.services.housekeeping import USERS_AT_ONCE
from tests.support.clients import Client
from tests.support.metric_pages import risen, series
from tests.support.people import random_email
from tests.support.staff import Staff
from tests.support.storage import opened, query

EVENTS = "/v1/audit-events"


def invited(client: Client, staff: Staff, superuser_url: str, *, age: timedelta) -> str:
    """Created so long ago; the invitation of the time is gone, as housekeeping deletes codes."""
    body = {"email": random_email(), "invite": True}
    answer = client.request("POST", "/v1/users", json=body, token=staff.admin.token)
    user_id = str(answer.json()["id"])
    query(superuser_url, "DELETE FROM one_time_codes WHERE user_id = %s", (user_id,))
    aged = "UPDATE users SET created_at = created_at - %s, updated_at = updated_at - %s"
    query(superuser_url, f"{aged} WHERE id = %s", (age, age, user_id))
    return user_id


def test_who_never_accepted_an_invitation_expires(
    client: Client, staff: Staff, core: Core, superuser_url: str
) -> None:
    """It is in the trail and in the metrics; the address is free again."""
    old = invited(client, staff, superuser_url, age=timedelta(days=366))
    young = invited(client, staff, superuser_url, age=timedelta(days=364))
    token = staff.admin.token
    email = client.request("GET", f"/v1/users/{old}", token=token).json()["email"]
    before = series(core.metrics.exposition()[1].decode())
    assert (gone := core.housekeeping.run_once()["pending_users"]) >= 1
    counted = risen(
        before, series(core.metrics.exposition()[1].decode()), "housekeeping_deleted_total"
    )
    assert counted[("pending_users",)] == gone
    assert client.request("GET", f"/v1/users/{old}", token=token).status == 404
    assert client.request("GET", f"/v1/users/{young}", token=token).status == 200
    events = client.request("GET", f"{EVENTS}?subject={old}", token=staff.auditor.token)
    told = [(each["type"], each["actor"]) for each in events.json()["data"]]
    by = staff.admin.id
    assert told == [("user.expired", None), ("user.invited", by), ("user.created", by)]
    again = client.request("POST", "/v1/users", json={"email": email}, token=token)
    assert again.status == 201


def test_expiry_can_be_off(client: Client, staff: Staff, core: Core, superuser_url: str) -> None:
    old = invited(client, staff, superuser_url, age=timedelta(days=3000))
    never = replace(core.settings, pending_lifetime=timedelta())
    with closing(build_core(never)) as other:
        assert other.housekeeping.run_once()["pending_users"] == 0
    answer = client.request("GET", f"/v1/users/{old}", token=staff.admin.token)
    assert answer.status == 200


@pytest.mark.slow
def test_more_than_a_batch_expires_at_once(core: Core, superuser_url: str) -> None:
    """Each with an event of its own."""
    add = (
        "INSERT INTO users (id, email, email_normalised, email_verified, status, attributes,"
        " created_at, updated_at) SELECT gen_random_uuid(), m, m, false, 'pending', '{}',"
        " '2020-01-01', '2020-01-01' FROM (SELECT %s || n AS m FROM generate_series(1, %s) n) AS t"
    )
    expired = "SELECT count(*) FROM audit_events WHERE type = 'user.expired'"
    count = 2 * USERS_AT_ONCE + 1
    query(superuser_url, add, (secrets.token_hex(8), count))
    ((before,),) = query(superuser_url, expired)
    assert core.housekeeping.run_once()["pending_users"] >= count
    assert query(superuser_url, expired) >= [(before + count,)]


def test_an_erased_payload_of_nobody_is_null_in_the_list(
    client: Client, staff: Staff, core: Core, database_url: str, superuser_url: str
) -> None:
    """What came with the request is gone after its time; that it came stays."""
    query(
        superuser_url, "UPDATE erasure_marks SET reached = '00000000-0000-0000-0000-000000000000'"
    )
    moment = datetime(2021, 1, 1, tzinfo=UTC) + timedelta(seconds=secrets.randbelow(10**7))
    context = RequestContext(
        request_id=secrets.token_hex(8), client_request_id="mine", address="192.0.2.5"
    )
    with opened(database_url, ids_by_clock=True) as then:
        then.clock.advance(seconds=(moment - then.clock.now()).total_seconds())
        with then.storage.write(context) as uow:
            uow.record(Event(type=EventType.LOGIN_FAILED, actor=None, subject=None))
            uow.commit()
    begin, end = (
        each.strftime("%Y-%m-%dT%H:%M:%SZ") for each in (moment, moment + timedelta(seconds=2))
    )
    path = f"{EVENTS}?after={begin}&before={end}"

    def listed() -> list[tuple[str, object]]:
        answer = client.request("GET", path, token=staff.auditor.token)
        return [(each["request_id"], each["payload"]) for each in answer.json()["data"]]

    payload = {"address": "192.0.2.5", "client_request_id": "mine"}
    assert listed() == [(context.request_id, payload)]
    assert core.housekeeping.run_once()["anonymous_payloads"] >= 1
    assert listed() == [(context.request_id, None)]
