"""Letting users in or not: which action leads from which status to which, and what ends with it."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from core.domain.user import UserStatus
from tests.support.clients import Answer, Client
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, Person
from tests.support.staff import Member, Staff
from tests.support.storage import query

NEW = "an entirely different sentence"
REFUSED = "409"
# From pending, active, suspended, deactivated.
STATES = {
    "invite": ("pending", REFUSED, REFUSED, REFUSED),
    "suspend": ("suspended", "suspended", "suspended", REFUSED),
    "reactivate": ("pending", "active", "active", "active"),
    "deactivate": ("deactivated", "deactivated", "deactivated", "deactivated"),
    "force-password-reset": (REFUSED, "active", REFUSED, REFUSED),
    "revoke-sessions": ("pending", "active", "suspended", "deactivated"),
    "delete": ("deactivated", "deactivated", "deactivated", "deactivated"),
}
TABLE = [
    (action, before, after)
    for action, row in STATES.items()
    for before, after in zip(UserStatus, row, strict=True)
]
ENDING = ["suspend", "deactivate", "force-password-reset", "revoke-sessions", "delete"]


def act(client: Client, by: Member, user_id: str, action: str, **sent: Any) -> Answer:
    path = f"/v1/users/{user_id}"
    if action == "delete":
        return client.request("DELETE", path, token=by.token, **sent)
    return client.request("POST", f"{path}/{action}", token=by.token, **sent)


def shown(client: Client, staff: Staff, user_id: str) -> dict[str, Any]:
    answer = client.request("GET", f"/v1/users/{user_id}", token=staff.admin.token)
    assert answer.status == 200, answer.body
    user: dict[str, Any] = answer.json()
    return user


def somebody(staff: Staff, status: UserStatus) -> Person:
    return staff.pending() if status is UserStatus.PENDING else staff.person(status=status)


def log_in(client: Client, identifier: str, password: str = PASSWORD) -> Answer:
    body = {"identifier": identifier, "password": password}
    return client.request("POST", "/v1/auth/login", json=body)


@pytest.mark.parametrize(("action", "before", "after"), TABLE)
def test_each_action_leads_where_the_table_says(
    client: Client, staff: Staff, action: str, before: UserStatus, after: str
) -> None:
    """Refused ones change nothing, a change is one version, and a repetition changes no more."""
    person = somebody(staff, before)
    found = shown(client, staff, person.user_id)
    answer = act(client, staff.admin, person.user_id, action)
    left = shown(client, staff, person.user_id)
    if after == REFUSED:
        assert (answer.status, answer.problem) == (409, "state-conflict")
        assert before.value in answer.json()["detail"]
        assert left == found
        return
    assert answer.status == (202 if action == "delete" else 200), answer.body
    assert left["status"] == after
    assert left["version"] == found["version"] + (after != before)
    if action not in {"delete", "revoke-sessions"}:
        assert answer.json() == left
        assert answer.header("etag") == f'"{left["version"]}"'
    again = act(client, staff.admin, person.user_id, action)
    assert (again.status, again.body) == (answer.status, answer.body)
    assert shown(client, staff, person.user_id) == left


@pytest.mark.parametrize("action", ENDING)
def test_no_token_works_from_then_on(client: Client, staff: Staff, action: str) -> None:
    """At once, and when the account is opened again (CVE-2024-47000, CVE-2026-9802)."""
    member = staff.member()
    other = staff.log_in(member.person)
    assert client.request("GET", "/v1/users/me", token=member.token).status == 200
    assert act(client, staff.admin, member.id, action).status in {200, 202}
    for reopened in (False, True):
        if reopened:
            assert act(client, staff.admin, member.id, "reactivate").status == 200
        for session in (member, other):
            for method, path in (
                ("GET", "/v1/users/me"),
                ("DELETE", "/v1/users/me"),
                ("GET", "/v1/users/me/sessions"),
                ("POST", "/v1/auth/logout-all"),
            ):
                assert client.request(method, path, token=session.token).status == 401
            refresh = {"refresh_token": session.refresh}
            answer = client.request("POST", "/v1/auth/refresh", json=refresh)
            assert (answer.status, answer.problem) == (401, "invalid-refresh-token")


@pytest.mark.parametrize("action", ["suspend", "deactivate", "delete", "force-password-reset"])
def test_a_login_tells_nobody_why_it_is_refused(client: Client, staff: Staff, action: str) -> None:
    """As for an unknown address, with the right password too."""
    member = staff.member()
    assert act(client, staff.admin, member.id, action).status in {200, 202}

    def refusal(identifier: str) -> tuple[int, dict[str, Any], set[str]]:
        answer = log_in(client, identifier)
        body = answer.json() | {"request_id": ""}
        return answer.status, body, {name for name, _ in answer.headers}

    assert refusal(member.email) == refusal(f"nobody-{secrets.token_hex(6)}@example.com")


def test_ended_sessions_are_counted(client: Client, staff: Staff) -> None:
    member = staff.member()
    staff.log_in(member.person)
    assert act(client, staff.admin, member.id, "revoke-sessions").json() == {"revoked": 2}
    assert act(client, staff.admin, member.id, "revoke-sessions").json() == {"revoked": 0}
    assert log_in(client, member.email).status == 200


def test_a_repeated_key_ends_no_later_session(client: Client, staff: Staff) -> None:
    """A retry that arrives late does not throw out who has logged in since."""
    member, headers = staff.member(), [("idempotency-key", secrets.token_hex(16))]
    first = act(client, staff.admin, member.id, "revoke-sessions", headers=headers)
    later = staff.log_in(member.person)
    again = act(client, staff.admin, member.id, "revoke-sessions", headers=headers)
    assert first.body == again.body == b'{"revoked":1}'
    assert again.header("idempotency-replayed") == "true"
    assert client.request("GET", "/v1/users/me", token=later.token).status == 200


def test_a_forced_reset_leads_to_a_new_password_by_mail(
    client: Client, staff: Staff, mailbox: Mailbox
) -> None:
    """The old one is dead at once; the mail holds no link that would log anybody in."""
    person = staff.person()
    answer = act(client, staff.admin, person.user_id, "force-password-reset")
    assert (answer.status, answer.json()["status"]) == (200, "active")
    assert log_in(client, person.email).status == 401
    (mail,) = mailbox.to(person.email)
    assert not any("#token=" in link for link in mail.links)
    assert "https://id.example.com/account/reset" in mail.links
    client.request("POST", "/v1/auth/password/forgot", json={"email": person.email})
    body = {"token": mailbox.last(person.email).token, "password": NEW}
    assert client.request("POST", "/v1/auth/password/reset", json=body).status == 204
    assert log_in(client, person.email).status == 401
    assert log_in(client, person.email, NEW).status == 200


def test_a_forced_reset_ends_links_that_were_sent_before(
    client: Client, staff: Staff, mailbox: Mailbox
) -> None:
    """Whoever took the account over may hold one."""
    person = staff.person()
    client.request("POST", "/v1/auth/password/forgot", json={"email": person.email})
    token = mailbox.last(person.email).token
    assert act(client, staff.admin, person.user_id, "force-password-reset").status == 200
    body = {"token": token, "password": NEW}
    assert client.request("POST", "/v1/auth/password/reset", json=body).problem == "invalid-code"


def test_mails_of_forced_resets_are_limited(client: Client, staff: Staff, mailbox: Mailbox) -> None:
    person = staff.person()
    answers = [act(client, staff.admin, person.user_id, "force-password-reset") for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert len(mailbox.to(person.email)) == 5


@pytest.mark.parametrize("action", ["suspend", "deactivate", "delete"])
def test_a_closed_account_gets_no_link(
    client: Client, staff: Staff, mailbox: Mailbox, action: str
) -> None:
    """Neither those of before nor new ones open it again (CVE-2024-47000)."""
    person = staff.person()
    forgot = {"email": person.email}
    client.request("POST", "/v1/auth/password/forgot", json=forgot)
    token = mailbox.last(person.email).token
    assert act(client, staff.admin, person.user_id, action).status in {200, 202}
    before = [mail for mail in mailbox.to(person.email) if "#token=" in mail.text]
    client.request("POST", "/v1/auth/password/forgot", json=forgot)
    assert [mail for mail in mailbox.to(person.email) if "#token=" in mail.text] == before
    body = {"token": token, "password": NEW}
    assert client.request("POST", "/v1/auth/password/reset", json=body).problem == "invalid-code"
    assert log_in(client, person.email, NEW).status == 401


def test_a_deletion_closes_at_once_and_erases_later(
    client: Client, staff: Staff, mailbox: Mailbox, superuser_url: str
) -> None:
    """Asked for twice it is due when it was first; its subject is told once."""
    person = staff.person()
    answer = act(client, staff.admin, person.user_id, "delete")
    assert answer.status == 202
    due = answer.json()
    assert due["status"] == "deactivated"
    again = act(client, staff.admin, person.user_id, "delete")
    assert again.json() == due
    assert len(mailbox.to(person.email)) == 1
    ((days,),) = query(
        superuser_url,
        "SELECT extract(day FROM due_at - requested_at) FROM erasure_requests WHERE user_id = %s",
        (person.user_id,),
    )
    assert days == 30


def test_a_deleted_user_comes_back_with_the_permission_to_delete_only(
    client: Client, staff: Staff, superuser_url: str
) -> None:
    """A supporter may open what was closed, but not take an erasure back."""
    person = staff.person()
    assert act(client, staff.admin, person.user_id, "delete").status == 202
    erasures = "SELECT count(*) FROM erasure_requests WHERE user_id = %s"
    refused = act(client, staff.support, person.user_id, "reactivate")
    assert (refused.status, refused.problem) == (403, "permission-denied")
    assert shown(client, staff, person.user_id)["status"] == "deactivated"
    assert query(superuser_url, erasures, (person.user_id,)) == [(1,)]
    assert act(client, staff.admin, person.user_id, "reactivate").json()["status"] == "active"
    assert query(superuser_url, erasures, (person.user_id,)) == [(0,)]
    assert log_in(client, person.email).status == 200


@pytest.mark.parametrize("action", [*STATES, "patch"])
def test_a_stale_if_match_changes_nothing(client: Client, staff: Staff, action: str) -> None:
    """RFC 9110 section 13.1.1: a list and `*` match, a weak or another tag does not."""
    person = staff.pending() if action == "invite" else staff.person()
    found = shown(client, staff, person.user_id)

    def conditional(condition: str) -> Answer:
        headers = [("if-match", condition)]
        if action == "patch":
            path, change = f"/v1/users/{person.user_id}", {"given_name": "Ada"}
            token = staff.admin.token
            return client.request("PATCH", path, json=change, token=token, headers=headers)
        return act(client, staff.admin, person.user_id, action, headers=headers)

    for stale in ('"99"', 'W/"1"', '"0", "2"'):
        answer = conditional(stale)
        assert (answer.status, answer.problem) == (412, "version-mismatch"), stale
    for malformed in ("1", '"1', "", '"1" "2"', '*, "1"'):
        answer = conditional(malformed)
        assert (answer.status, answer.problem) == (400, "bad-request"), malformed
    assert shown(client, staff, person.user_id) == found
    assert conditional('"7", "1"').status in {200, 202}
    assert conditional("*").status in {200, 202}


def test_what_no_user_is_called_is_not_found(client: Client, staff: Staff) -> None:
    unknown = "0190b2c2-0000-7000-8000-000000000000"
    for action in STATES:
        answer = act(client, staff.admin, unknown, action)
        assert (answer.status, answer.problem) == (404, "not-found"), action
        for malformed in ("me", "0", f"{unknown}0", "%00", "..;"):
            if (action, malformed) == ("delete", "me"):
                continue
            answer = act(client, staff.admin, malformed, action)
            assert answer.status in {404, 422}, (action, malformed, answer.body)
    for method, body in (("GET", ...), ("PATCH", {})):
        path = f"/v1/users/{unknown}"
        answer = client.request(method, path, json=body, token=staff.admin.token)
        assert (answer.status, answer.problem) == (404, "not-found")
