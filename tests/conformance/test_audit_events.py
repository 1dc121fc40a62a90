"""The list of audit events: what it finds, in which order, and what it never shows."""

from __future__ import annotations

import json
import re
import secrets
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest

from tests.support.clients import Answer, Client
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, random_email
from tests.support.staff import Member, Staff
from tests.support.storage import query

EVENTS = "/v1/audit-events"
NEXT = re.compile(r'<([^>]+)>; rel="next"')
NEW = "an entirely different sentence"


def ask(client: Client, staff: Staff, **filters: Any) -> Answer:
    return client.request("GET", f"{EVENTS}?{urlencode(filters)}", token=staff.auditor.token)


def listed(client: Client, staff: Staff, **filters: Any) -> list[dict[str, Any]]:
    answer = ask(client, staff, **filters)
    assert answer.status == 200, answer.body
    data: list[dict[str, Any]] = answer.json()["data"]
    return data


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


@pytest.fixture
def subject(client: Client, staff: Staff) -> Member:
    """Somebody to whom an administrator gave a role, took it back and gave it again, and who then
    changed their own name."""
    member = staff.member()
    path = f"/v1/users/{member.id}/roles/auditor"
    for method in ("PUT", "DELETE", "PUT"):
        assert client.request(method, path, token=staff.admin.token).status == 200
    change = {"display_name": "Ada"}
    answer = client.request("PATCH", "/v1/users/me", json=change, token=member.token)
    assert answer.status == 200, answer.body
    return member


STORY = ["user.updated", "role.granted", "role.revoked", "role.granted", "login.succeeded"]


def test_the_newest_come_first(client: Client, staff: Staff, subject: Member) -> None:
    events = listed(client, staff, subject=subject.id)
    assert types(events) == STORY
    assert [event["id"] for event in events] == sorted((e["id"] for e in events), reverse=True)
    assert {event["subject"] for event in events} == {subject.id}


def test_what_an_administrator_does_names_both(
    client: Client, staff: Staff, subject: Member
) -> None:
    """Who did it and to whom, with the request that did it."""
    request_id = secrets.token_hex(8)
    suspension = client.request(
        "POST",
        f"/v1/users/{subject.id}/suspend",
        token=staff.admin.token,
        headers=[("x-request-id", request_id)],
    )
    assert suspension.header("x-request-id") == request_id
    event = listed(client, staff, subject=subject.id, limit=1)[0]
    assert (event["type"], event["actor"]) == ("user.suspended", staff.admin.id)
    assert event["subject"] == subject.id
    assert UUID(event["request_id"]).version == 7
    assert event["payload"]["client_request_id"] == request_id
    assert len(event["trace_id"]) == 32
    assert event["payload"]["address"] == client.address


def test_each_filter_alone_and_all_together(client: Client, staff: Staff, subject: Member) -> None:
    every = listed(client, staff, subject=subject.id)
    admin = staff.admin.id
    by_admin = listed(client, staff, actor=admin, subject=subject.id)
    assert by_admin == [event for event in every if event["actor"] == admin]
    assert types(by_admin) == STORY[1:4]
    assert set(types(listed(client, staff, type="role.revoked", limit=200))) == {"role.revoked"}
    assert types(listed(client, staff, actor=admin, type="role.revoked")) == ["role.revoked"]
    assert listed(client, staff, actor=subject.id, type="role.revoked") == []
    middle = every[2]["occurred_at"]
    later = [event for event in every if event["occurred_at"] >= middle]
    assert listed(client, staff, subject=subject.id, after=middle) == later
    # Times are shown in milliseconds and kept in microseconds.
    earlier = [event for event in every if event["occurred_at"] < middle]
    assert listed(client, staff, subject=subject.id, before=middle) == earlier
    whole = {"after": every[-1]["occurred_at"], "before": "9999-12-31T23:59:59Z"}
    all_of = {"actor": admin, "subject": subject.id, "type": "role.granted", **whole}
    assert listed(client, staff, **all_of) == [every[1], every[3]]
    assert listed(client, staff, **{**all_of, "before": every[-1]["occurred_at"]}) == []
    assert listed(client, staff, after="9999-12-31T23:59:59Z") == []
    assert listed(client, staff, before="0001-01-01T00:00:00Z") == []


@pytest.mark.parametrize("limit", [1, 2, 4, 5])
def test_pages_show_every_event_once(
    client: Client, staff: Staff, subject: Member, limit: int
) -> None:
    """To the end, whatever divides them, and whatever happens meanwhile."""
    path: str = f"{EVENTS}?{urlencode({'subject': subject.id, 'limit': limit})}"
    shown: list[dict[str, Any]] = []
    for _ in range(6):
        answer = client.request("GET", path, token=staff.auditor.token)
        shown += answer.json()["data"]
        link = answer.header("link")
        assert (link is None) == (answer.json()["next_cursor"] is None)
        if link is None:
            break
        assert len(answer.json()["data"]) == limit
        client.request("PATCH", "/v1/users/me", json={"display_name": "B"}, token=subject.token)
        found = NEXT.fullmatch(link)
        assert found, link
        path = found[1]
    assert types(shown) == STORY
    assert len({event["id"] for event in shown}) == len(STORY)


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"actor": "{admin}"},
        {"subject": "{admin}"},
        {"subject": "{subject}", "type": "role.granted"},
        {"subject": "{subject}", "after": "2001-01-01T00:00:00Z"},
        {"subject": "{subject}", "before": "9000-01-01T00:00:00Z"},
    ],
)
def test_a_cursor_belongs_to_its_query(
    client: Client, staff: Staff, subject: Member, other: dict[str, str]
) -> None:
    cursor = ask(client, staff, subject=subject.id, limit=1).json()["next_cursor"]
    named = {
        name: value.format(admin=staff.admin.id, subject=subject.id)
        for name, value in other.items()
    }
    answer = ask(client, staff, cursor=cursor, **named)
    assert (answer.status, answer.problem) == (400, "invalid-cursor")
    assert ask(client, staff, cursor=cursor, subject=subject.id, limit=2).status == 200


@pytest.mark.parametrize("cursor", ["", "x", "{}", "é", "A" * 44, "a" * 3000])
def test_a_cursor_that_was_not_given_out_is_refused(
    client: Client, staff: Staff, cursor: str
) -> None:
    answer = ask(client, staff, cursor=cursor)
    assert (answer.status, answer.problem) == (400, "invalid-cursor")


def test_a_changed_cursor_is_refused(client: Client, staff: Staff, subject: Member) -> None:
    cursor = ask(client, staff, subject=subject.id, limit=1).json()["next_cursor"]
    for index in (0, len(cursor) // 2, len(cursor) - 3):
        other = "A" if cursor[index] != "A" else "B"
        forged = cursor[:index] + other + cursor[index + 1 :]
        assert ask(client, staff, subject=subject.id, cursor=forged).problem == "invalid-cursor"


@pytest.mark.parametrize(
    ("filters", "pointer"),
    [
        ({"type": "user.exploded"}, "/query/type"),
        ({"type": ""}, "/query/type"),
        ({"type": "USER.CREATED"}, "/query/type"),
        ({"actor": "me"}, "/query/actor"),
        ({"subject": "1"}, "/query/subject"),
        ({"after": "yesterday"}, "/query/after"),
        ({"before": "2026-01-01"}, "/query/before"),
        ({"limit": "0"}, "/query/limit"),
        ({"limit": "201"}, "/query/limit"),
        ({"user": "1"}, "/query/user"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(
    client: Client, staff: Staff, filters: dict[str, str], pointer: str
) -> None:
    """With its place: a misspelt one would show what nobody asked for."""
    answer = ask(client, staff, **filters)
    assert (answer.status, answer.problem) == (422, "invalid-input")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_only_who_may_read_it_does(client: Client, staff: Staff) -> None:
    """The administrator and the auditor; the supporter and everybody else do not."""
    for member, status in (
        (staff.admin, 200),
        (staff.auditor, 200),
        (staff.support, 403),
        (staff.member(), 403),
    ):
        assert client.request("GET", EVENTS, token=member.token).status == status
    assert client.request("GET", EVENTS).status == 401


def test_an_erased_payload_is_null(
    client: Client, staff: Staff, subject: Member, superuser_url: str
) -> None:
    """The event stays: when it was, what, and who."""
    before = listed(client, staff, subject=subject.id)
    assert all(event["payload"] for event in before)
    erased = before[1]["id"]
    query(
        superuser_url,
        "SET ROLE user_api_erasure; DELETE FROM audit_payloads WHERE event_id = %s",
        (erased,),
    )
    expected = [{**each, "payload": None} if each["id"] == erased else each for each in before]
    assert listed(client, staff, subject=subject.id) == expected


def test_no_event_holds_a_secret(client: Client, staff: Staff, mailbox: Mailbox) -> None:
    """Of a whole life: neither passwords, tokens and codes, nor names for them."""
    email, secret = random_email(), [PASSWORD, NEW, staff.admin.token]

    def post(path: str, body: object = ..., token: str | None = None) -> Answer:
        answer = client.request("POST", path, json=body, token=token)
        assert answer.status < 300, answer.body
        return answer

    created = post("/v1/users", {"email": email, "invite": True}, staff.admin.token)
    user_id = created.json()["id"]
    secret.append(mailbox.last(email).token)
    post("/v1/auth/password/reset", {"token": secret[-1], "password": PASSWORD})
    tokens = post("/v1/auth/login", {"identifier": email, "password": PASSWORD}).json()
    secret += [tokens["access_token"], tokens["refresh_token"]]
    change = {"current_password": PASSWORD, "new_password": NEW}
    post("/v1/users/me/password", change, tokens["access_token"])
    wrong = {"identifier": email, "password": PASSWORD}
    assert client.request("POST", "/v1/auth/login", json=wrong).status == 401
    post("/v1/auth/password/forgot", {"email": email})
    secret.append(mailbox.last(email).token)
    for action in ("force-password-reset", "suspend", "reactivate", "revoke-sessions"):
        post(f"/v1/users/{user_id}/{action}", token=staff.admin.token)
    client.request("DELETE", f"/v1/users/{user_id}", token=staff.admin.token)
    events = listed(client, staff, subject=user_id, limit=200)
    assert len(set(types(events))) >= 10, types(events)
    text = json.dumps(events)
    assert email not in text
    for value in secret:
        assert value not in text
    names = {name for event in events for name in event["payload"]}
    assert not {name for name in names if re.search("password|token|code|hash|secret", name)}
