"""Nobody makes, changes or deletes a role that allows more than they may themselves."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.clients import Answer, Client
from tests.support.staff import Member, Staff
from tests.support.storage import OF_REQUEST, query

ROLES = "/v1/roles"
DENIED = (
    "SELECT actor::text, subject, payload->>'permission', payload->>'role' FROM audit_events"
    f" JOIN audit_payloads ON event_id = id WHERE type = 'access.denied' AND {OF_REQUEST}"
)
ROLE_ROWS = (
    "SELECT name, description, version, array_agg(permission ORDER BY permission) FROM roles"
    " LEFT JOIN role_permissions ON role = name WHERE name = ANY(%s) GROUP BY name"
)


@dataclass
class Climber:
    """May write roles and read users, and tries for more."""

    client: Client
    member: Member
    superuser_url: str

    def ask(self, method: str, path: str, **sent: Any) -> Answer:
        return self.client.request(method, path, token=self.member.token, **sent)

    def refused(self, method: str, path: str, **sent: Any) -> None:
        """Told why, and written down."""
        request_id = secrets.token_hex(8)
        answer = self.ask(method, path, headers=[("x-request-id", request_id)], **sent)
        assert (answer.status, answer.problem) == (403, "privilege-escalation"), answer.body
        name = sent["json"]["name"] if method == "POST" else path.rpartition("/")[2]
        denied = query(self.superuser_url, DENIED, (request_id,))
        assert denied == [(self.member.id, None, "roles:write", name)]


@pytest.fixture
def climber(client: Client, staff: Staff, superuser_url: str) -> Climber:
    return Climber(client, staff.holding("roles:write", "users:read"), superuser_url)


def made(client: Client, by: Member, *permissions: str) -> str:
    name = f"r-{secrets.token_hex(8)}"
    body = {"name": name, "permissions": permissions}
    assert client.request("POST", ROLES, json=body, token=by.token).status == 201
    return name


@pytest.mark.parametrize(
    "permissions", [["audit:read"], ["users:read", "users:write"], ["roles:grant", "keys:write"]]
)
def test_no_role_is_made_of_what_its_maker_lacks(
    climber: Climber, superuser_url: str, permissions: list[str]
) -> None:
    name = f"r-{secrets.token_hex(8)}"
    climber.refused("POST", ROLES, json={"name": name, "permissions": permissions})
    assert query(superuser_url, ROLE_ROWS, ([name],)) == []


def test_no_role_is_extended_by_what_its_changer_lacks(
    client: Client, climber: Climber, superuser_url: str
) -> None:
    """Not even one's own, which would be the shortest way up."""
    own = str(climber.ask("GET", "/v1/users/me").json()["roles"][0])
    other = made(client, climber.member, "users:read")
    before = query(superuser_url, ROLE_ROWS, ([own, other],))
    for name in (own, other):
        body = {"permissions": ["roles:write", "users:read", "audit:read"]}
        climber.refused("PATCH", f"{ROLES}/{name}", json=body)
    assert query(superuser_url, ROLE_ROWS, ([own, other],)) == before


def test_a_role_that_allows_more_is_out_of_reach(
    client: Client, climber: Climber, staff: Staff, superuser_url: str
) -> None:
    """Neither its text nor its permissions change, even to fewer, and nobody deletes it."""
    path = f"{ROLES}/{(name := made(client, staff.admin, 'users:read', 'audit:read'))}"
    before = query(superuser_url, ROLE_ROWS, ([name],))
    climber.refused("PATCH", path, json={"description": "Mine."})
    climber.refused("PATCH", path, json={"permissions": []})
    climber.refused("DELETE", path)
    assert query(superuser_url, ROLE_ROWS, ([name],)) == before


def test_what_one_holds_one_may_hand_on(client: Client, climber: Climber) -> None:
    path = f"{ROLES}/{made(client, climber.member, 'users:read')}"
    body = {"permissions": ["roles:write", "users:read"]}
    assert climber.ask("PATCH", path, json=body).status == 200
    assert climber.ask("DELETE", path).status == 204


def test_a_refused_attempt_is_judged_anew(client: Client, climber: Climber, staff: Staff) -> None:
    """No refusal is kept for an Idempotency-Key: with the permission the same request works."""
    body = {"name": f"r-{secrets.token_hex(8)}", "permissions": ["audit:read"]}
    key = [("idempotency-key", secrets.token_hex(16))]
    for _ in range(2):
        refused = climber.ask("POST", ROLES, json=body, headers=key)
        assert refused.problem == "privilege-escalation"
        assert refused.header("idempotency-replayed") is None
    path = f"/v1/users/{climber.member.id}/roles/auditor"
    assert client.request("PUT", path, token=staff.admin.token).status == 200
    assert climber.ask("POST", ROLES, json=body, headers=key).status == 201
