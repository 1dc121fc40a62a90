"""What administrators do stands in the audit trail, once, with who did it and to whom."""

from __future__ import annotations

import re
import secrets
from typing import Any

import pytest

from tests.support.clients import Answer, Client
from tests.support.people import PASSWORD, random_email
from tests.support.server import ServerProcess
from tests.support.staff import Staff
from tests.support.storage import OF_REQUEST, query

EVENTS = (
    "SELECT type, actor::text, subject::text, payload::text FROM audit_events"
    f" LEFT JOIN audit_payloads ON event_id = id WHERE {OF_REQUEST} ORDER BY type"
)


class Trail:
    """Sends requests of one administrator, and reads what each has left."""

    def __init__(self, client: Client, staff: Staff, superuser_url: str) -> None:
        self.client = client
        self.staff = staff
        self.superuser_url = superuser_url

    def send(self, method: str, path: str, **sent: Any) -> tuple[Answer, list[str]]:
        """The answer, and the types of its events; each is by the administrator."""
        request_id = secrets.token_hex(8)
        headers = [("x-request-id", request_id), *sent.pop("headers", [])]
        token = self.staff.admin.token
        answer = self.client.request(method, path, token=token, headers=headers, **sent)
        rows = query(self.superuser_url, EVENTS, (request_id,))
        user_id = answer.json().get("id") or path.split("/")[3]
        for event, actor, subject, payload in rows:
            assert (actor, subject) == (self.staff.admin.id, user_id)
            assert ("@" in (payload or "")) == (event == "email.changed")
        return answer, [row[0] for row in rows]


@pytest.fixture
def trail(client: Client, staff: Staff, superuser_url: str) -> Trail:
    return Trail(client, staff, superuser_url)


def test_each_step_of_an_administrator_is_in_the_trail(trail: Trail) -> None:
    """With no address in it but of a move, where both are; what changes nothing is no event."""
    body = {"email": random_email(), "invite": True}
    created, events = trail.send("POST", "/v1/users", json=body)
    assert events == ["user.created", "user.invited"]
    path = f"/v1/users/{created.json()['id']}"

    def done(method: str, action: str = "", **sent: Any) -> list[str]:
        answer, events = trail.send(method, path + action, **sent)
        assert answer.status in {200, 202}, answer.body
        return events

    assert done("GET") == []
    assert done("POST", "/invite") == ["user.invited"]
    assert done("PATCH", json={"display_name": "Ada"}) == ["user.updated"]
    moved = {"email": random_email(), "display_name": None}
    assert done("PATCH", json=moved) == ["email.changed", "user.updated"]
    assert done("POST", "/suspend") == ["user.suspended"]
    assert done("POST", "/suspend") == []
    assert done("POST", "/reactivate") == ["user.reactivated"]
    assert done("POST", "/reactivate") == []
    assert done("POST", "/deactivate") == ["user.deactivated"]
    assert done("POST", "/deactivate") == []
    assert done("DELETE") == ["erasure.requested"]
    assert done("DELETE") == []
    assert done("POST", "/reactivate") == ["erasure.cancelled", "user.reactivated"]
    assert done("POST", "/revoke-sessions") == ["session.revoked"]
    assert done("DELETE") == ["erasure.requested", "user.deactivated"]


def test_a_forced_reset_is_in_the_trail(trail: Trail) -> None:
    person = trail.staff.person()
    path = f"/v1/users/{person.user_id}/force-password-reset"
    assert trail.send("POST", path)[1] == ["password.reset_forced"]


def test_what_is_refused_leaves_no_event(trail: Trail) -> None:
    """Nor what is answered again."""
    person, other = trail.staff.person(), trail.staff.person()
    path = f"/v1/users/{person.user_id}"
    stale = [("if-match", '"9"')]
    for method, action, sent, status in (
        ("POST", "/invite", {}, 409),
        ("POST", "/suspend", {"headers": stale}, 412),
        ("PATCH", "", {"json": {"email": other.email}}, 409),
        ("PATCH", "", {"json": {"locale": "nowhere"}}, 422),
        ("PATCH", "", {"json": {"roles": ["admin"]}}, 422),
    ):
        answer, events = trail.send(method, path + action, **sent)
        assert (answer.status, events) == (status, [])
    key = {"headers": [("idempotency-key", secrets.token_hex(8))]}
    assert trail.send("POST", f"{path}/suspend", **key)[1] == ["user.suspended"]
    assert trail.send("POST", f"{path}/suspend", **key)[1] == []


def test_accepting_an_invitation_is_the_users_own_step(
    trail: Trail, client: Client, superuser_url: str, request: pytest.FixtureRequest
) -> None:
    email, request_id = random_email(), secrets.token_hex(8)
    created, _ = trail.send("POST", "/v1/users", json={"email": email, "invite": True})
    token = request.getfixturevalue("mailbox").last(email).token
    body = {"token": token, "password": PASSWORD}
    headers = [("x-request-id", request_id)]
    answer = client.request("POST", "/v1/auth/password/reset", json=body, headers=headers)
    assert answer.status == 204
    user_id = created.json()["id"]
    rows = query(superuser_url, EVENTS, (request_id,))
    assert [row[:3] for row in rows] == [("password.reset", user_id, user_id)]


def test_users_of_administrators_count_in_the_metrics(server: ServerProcess, staff: Staff) -> None:
    """As those who sign up do, and a deletion once however often it is asked for."""
    client = server.client()

    def counted(name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", server.metrics(), re.MULTILINE)
        return float(found[1]) if found else 0.0

    names = ("users_created_total", "users_deleted_total")
    before = [counted(name) for name in names]
    token = staff.admin.token
    body = {"email": random_email()}
    created = client.request("POST", "/v1/users", json=body, token=token)
    assert client.request("POST", "/v1/users", json=body, token=token).status == 409
    path = created.header("location") or ""
    for _ in range(2):
        assert client.request("DELETE", path, token=token).status == 202
    assert [counted(name) for name in names] == [count + 1 for count in before]
