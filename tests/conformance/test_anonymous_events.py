"""What anybody can leave in the audit trail without a token: little, and nothing of their own."""

from __future__ import annotations

import secrets

import pytest

from tests.support.clients import Client
from tests.support.metric_pages import risen, series
from tests.support.people import PASSWORD, random_email
from tests.support.storage import OF_REQUEST, query

MAILS = 5
"""To one address an hour, by default."""

TYPES = f"SELECT type, count(*) FROM audit_events WHERE {OF_REQUEST} GROUP BY type"


@pytest.mark.parametrize(
    ("path", "asked", "event", "purpose"),
    [
        ("/v1/auth/password/forgot", 600, "password.reset_requested", "reset"),
        ("/v1/auth/verify-email/resend", 60, "email.verification_requested", "verify"),
        ("/v1/auth/register", 20, "registration.requested", "register"),
    ],
)
def test_a_flood_for_one_address_leaves_as_many_events_as_mails(
    client: Client, superuser_url: str, path: str, asked: int, event: str, purpose: str
) -> None:
    """From however many places it comes; the rest is only counted."""
    body = {"email": random_email()}
    if purpose == "register":
        body["password"] = PASSWORD
    headers = [("x-request-id", secrets.token_hex(8))]
    before = series(client.metrics())
    for number in range(asked):
        here = client.from_address(f"10.{number // 50}.{secrets.randbelow(250)}.1")
        assert here.request("POST", path, json=body, headers=headers).status == 202
    assert query(superuser_url, TYPES, (headers[0][1],)) == [(event, MAILS)]
    counted = risen(before, series(client.metrics()), "mails_throttled_total")
    assert counted == {(purpose,): asked - MAILS}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/auth/register", {"password": PASSWORD}),
        ("/v1/auth/verify-email/resend", {}),
        ("/v1/auth/password/forgot", {}),
        ("/v1/auth/login", {"password": PASSWORD}),
    ],
)
def test_a_clients_request_id_stands_where_it_can_be_erased_only(
    client: Client, superuser_url: str, path: str, body: dict[str, str]
) -> None:
    """It may be anything, a name too: neither audit rows nor the outbox hold it."""
    name = f"ada.lovelace-{secrets.token_hex(6)}"
    identity = {"identifier" if path.endswith("login") else "email": random_email()}
    answer = client.request("POST", path, json=identity | body, headers=[("x-request-id", name)])
    assert answer.status in {202, 401}
    assert answer.header("x-request-id") == name
    for table in ("audit_events", "outbox"):
        found = f"SELECT count(*) FROM {table} WHERE {table}::text LIKE %s"
        assert query(superuser_url, found, (f"%{name}%",)) == [(0,)]
    found = f"SELECT request_id ~ '^[0-9a-f-]{{36}}$' FROM audit_events WHERE {OF_REQUEST}"
    assert query(superuser_url, found, (name,)) == [(True,)]
