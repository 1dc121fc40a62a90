"""Administrators among themselves: nobody reaches above their own rights, and one always stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.clients import Answer, Client
from tests.support.people import random_email
from tests.support.row_locks import held
from tests.support.staff import Member, Staff
from tests.support.storage import query

ACTIONS = [
    ("POST", "/suspend"),
    ("POST", "/reactivate"),
    ("POST", "/deactivate"),
    ("POST", "/force-password-reset"),
    ("POST", "/revoke-sessions"),
    ("POST", "/invite"),
    ("PATCH", ""),
    ("DELETE", ""),
]
CLOSING = [("POST", "/suspend"), ("POST", "/deactivate"), ("DELETE", "")]
HOLD = "SELECT FROM users WHERE id = %(id)s FOR UPDATE"
DENIED = (
    "SELECT type, actor::text, subject::text FROM audit_events"
    " WHERE subject = %s AND type = 'access.denied'"
)


def act(client: Client, by: Member, user_id: str, method: str, action: str) -> Answer:
    body: Any = {"given_name": "Ada"} if method == "PATCH" else ...
    return client.request(method, f"/v1/users/{user_id}{action}", json=body, token=by.token)


def active_administrators(superuser_url: str) -> int:
    ((count,),) = query(
        superuser_url,
        "SELECT count(*) FROM user_roles JOIN users ON users.id = user_id"
        " WHERE role = 'admin' AND status = 'active'",
    )
    return int(count)


@pytest.mark.parametrize(("method", "action"), ACTIONS)
def test_nobody_acts_on_somebody_with_more_rights(
    client: Client, staff: Staff, superuser_url: str, method: str, action: str
) -> None:
    """Else whoever may suspend or change users could take an administrator's place; it is in the
    trail, and nothing else has happened."""
    caller = staff.holding("users:read", "users:write", "users:suspend", "users:delete")
    subject = staff.admin
    path = f"/v1/users/{subject.id}"
    found = client.request("GET", path, token=caller.token).body
    answer = act(client, caller, subject.id, method, action)
    assert (answer.status, answer.problem) == (403, "privilege-escalation"), answer.body
    assert client.request("GET", path, token=caller.token).body == found
    assert client.request("GET", "/v1/users/me", token=subject.token).status == 200
    staff.log_in(subject.person)
    assert query(superuser_url, DENIED, (subject.id,)) == [("access.denied", caller.id, subject.id)]
    peer = staff.holding("users:read", "users:write", "users:suspend", "users:delete")
    assert act(client, caller, peer.id, method, action).status in {200, 202, 409}


def test_a_supporter_suspends_people_and_nobody_above(client: Client, staff: Staff) -> None:
    """Built-in support reads and suspends; auditors hold a right that it does not."""
    person = staff.member()
    for method, action in (("POST", "/suspend"), ("POST", "/reactivate"), ("POST", "/deactivate")):
        assert act(client, staff.support, person.id, method, action).status == 200
    for method, action in (("PATCH", ""), ("DELETE", ""), ("POST", "/invite")):
        answer = act(client, staff.support, person.id, method, action)
        assert (answer.status, answer.problem) == (403, "permission-denied")
    for above in (staff.admin, staff.auditor):
        answer = act(client, staff.support, above.id, "POST", "/suspend")
        assert (answer.status, answer.problem) == (403, "privilege-escalation")


def test_a_repeated_attempt_is_judged_anew(
    client: Client, staff: Staff, superuser_url: str
) -> None:
    """No refusal is kept for an Idempotency-Key."""
    headers = [("idempotency-key", "attempt")]
    path = f"/v1/users/{staff.admin.id}/suspend"
    for _ in range(2):
        answer = client.request("POST", path, token=staff.support.token, headers=headers)
        assert answer.problem == "privilege-escalation"
    assert len(query(superuser_url, DENIED, (staff.admin.id,))) == 2


@pytest.mark.parametrize(("method", "action"), CLOSING)
def test_the_last_administrator_stays(
    client: Client, staff: Staff, superuser_url: str, method: str, action: str
) -> None:
    """One who is not active is none; nothing changes, and the session goes on."""
    staff.alone(staff.admin)
    for status in ("suspended", "deactivated", "pending"):
        staff.person("admin", status=status)
    path = f"/v1/users/{staff.admin.id}"
    found = client.request("GET", path, token=staff.admin.token).body
    answer = act(client, staff.admin, staff.admin.id, method, action)
    assert (answer.status, answer.problem) == (409, "last-administrator")
    assert client.request("GET", path, token=staff.admin.token).body == found
    refresh = {"refresh_token": staff.admin.refresh}
    assert client.request("POST", "/v1/auth/refresh", json=refresh).status == 200
    assert active_administrators(superuser_url) == 1


def test_the_last_administrator_cannot_leave(
    client: Client, staff: Staff, superuser_url: str
) -> None:
    staff.alone(staff.admin)
    answer = client.request("DELETE", "/v1/users/me", token=staff.admin.token)
    assert (answer.status, answer.problem) == (409, "last-administrator")
    assert client.request("GET", "/v1/users/me", token=staff.admin.token).status == 200
    staff.person("admin")
    assert client.request("DELETE", "/v1/users/me", token=staff.admin.token).status == 202
    assert active_administrators(superuser_url) == 1


def test_the_last_administrator_keeps_an_address_that_works(client: Client, staff: Staff) -> None:
    """A slip in the address would lock out the only one who could mend it."""
    staff.alone(staff.admin)
    path = f"/v1/users/{staff.admin.id}"
    body = {"email": random_email()}
    answer = client.request("PATCH", path, json=body, token=staff.admin.token)
    assert (answer.status, answer.problem) == (409, "last-administrator")
    staff.person("admin")
    assert client.request("PATCH", path, json=body, token=staff.admin.token).status == 200


@pytest.mark.parametrize(("method", "action"), CLOSING)
def test_an_administrator_may_close_their_own_account(
    client: Client, staff: Staff, method: str, action: str
) -> None:
    """While there is another; they are out at once."""
    staff.person("admin")
    assert act(client, staff.admin, staff.admin.id, method, action).status in {200, 202}
    answer = act(client, staff.admin, staff.admin.id, "POST", "/reactivate")
    assert (answer.status, answer.problem) == (401, "unauthenticated")


@pytest.mark.parametrize(("method", "action"), CLOSING)
def test_of_two_who_close_each_other_at_once_one_succeeds(
    client: Client, staff: Staff, superuser_url: str, method: str, action: str
) -> None:
    """Never both, and never neither for good: an administrator is left."""
    for _ in range(4):
        first, second = staff.member("admin"), staff.member("admin")
        staff.alone(first)
        query(
            superuser_url,
            "INSERT INTO user_roles (user_id, role, granted_at) VALUES (%s, 'admin', now())",
            (second.id,),
        )
        with ThreadPoolExecutor(2) as pool:
            # Both get as far as they can without the row of one, and then go on together. A Lambda
            # function does one thing at a time.
            with held(superuser_url, HOLD, of=first.id) as holding:
                closing = [
                    pool.submit(act, client, first, second.id, method, action),
                    pool.submit(act, client, second, first.id, method, action),
                ]
                holding.until(2 if client.target == "asgi" else 1)
            answers = [each.result() for each in closing]
        lost = [answer for answer in answers if answer.status not in {200, 202}]
        assert [answer.status in {401, 403, 409} for answer in lost] == [True], answers
        assert active_administrators(superuser_url) == 1


def test_of_ten_who_leave_at_once_one_stays(
    client: Client, staff: Staff, superuser_url: str
) -> None:
    members = [staff.member("admin") for _ in range(10)]
    keep = [member.id for member in members]
    query(
        superuser_url,
        "DELETE FROM user_roles WHERE role = 'admin' AND NOT user_id = ANY(%s::uuid[])",
        (keep,),
    )

    def leave(member: Member) -> int:
        return client.request("DELETE", "/v1/users/me", token=member.token).status

    with ThreadPoolExecutor(10 if client.target == "asgi" else 1) as pool:
        assert sorted(pool.map(leave, members)) == [202] * 9 + [409]
    assert active_administrators(superuser_url) == 1
