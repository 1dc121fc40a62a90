"""Granting roles and revoking them: what counts when, and who may."""

from __future__ import annotations

import base64
import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from core.bootstrap import Core
from core.domain.requests import RequestContext
from core.errors import PermissionDenied
from tests.support.clients import Answer, Client
from tests.support.people import PASSWORD
from tests.support.row_locks import held
from tests.support.staff import CONTEXT, Member, Staff
from tests.support.storage import OF_REQUEST, query

EVENTS = (
    "SELECT type, actor::text, payload->>'role' FROM audit_events"
    " JOIN audit_payloads ON event_id = id WHERE subject = %s AND type LIKE 'role.%%' ORDER BY id"
)
HOLD = "SELECT FROM users WHERE id = %(id)s FOR UPDATE"
DENIED = (
    "SELECT actor::text, subject::text, payload->>'permission' FROM audit_events"
    f" JOIN audit_payloads ON event_id = id WHERE type = 'access.denied' AND {OF_REQUEST}"
)


def grant(
    client: Client, by: Member, user_id: str, role: str, method: str = "PUT", **headers: str
) -> Answer:
    path = f"/v1/users/{user_id}/roles/{role}"
    given = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return client.request(method, path, token=by.token, headers=given)


def revoke(client: Client, by: Member, user_id: str, role: str, **headers: str) -> Answer:
    return grant(client, by, user_id, role, "DELETE", **headers)


def user(client: Client, staff: Staff, user_id: str) -> dict[str, Any]:
    answer = client.request("GET", f"/v1/users/{user_id}", token=staff.admin.token)
    found: dict[str, Any] = answer.json()
    return found


def test_a_grant_counts_once_and_at_once(client: Client, staff: Staff, superuser_url: str) -> None:
    """A token of before it opens what the role opens, until the role is taken away again."""
    member = staff.member()
    path = "/v1/audit-events?limit=1"
    assert client.request("GET", path, token=member.token).problem == "permission-denied"
    for granted in (grant(client, staff.admin, member.id, "auditor") for _ in range(2)):
        assert granted.status == 200, granted.body
        assert (granted.json()["roles"], granted.json()["version"]) == (["auditor"], 2)
        assert granted.header("etag") == '"2"'
        assert client.request("GET", path, token=member.token).status == 200
    me = client.request("GET", "/v1/users/me", token=member.token)
    assert (me.json()["roles"], me.header("etag")) == (["auditor"], '"2"')
    assert user(client, staff, member.id)["roles"] == ["auditor"]
    for _ in range(2):
        revoked = revoke(client, staff.admin, member.id, "auditor")
        assert (revoked.status, revoked.json()["roles"], revoked.json()["version"]) == (200, [], 3)
        assert client.request("GET", path, token=member.token).problem == "permission-denied"
    admin = staff.admin.id
    assert query(superuser_url, EVENTS, (member.id,)) == [
        ("role.granted", admin, "auditor"),
        ("role.revoked", admin, "auditor"),
    ]


def test_a_list_by_role_follows(client: Client, staff: Staff) -> None:
    role = f"r-{secrets.token_hex(8)}"
    body = {"name": role, "permissions": ["users:read"]}
    client.request("POST", "/v1/roles", json=body, token=staff.admin.token)
    member, path = staff.member(), f"/v1/users?role={role}"

    def listed() -> list[str]:
        found = client.request("GET", path, token=staff.admin.token)
        return [each["id"] for each in found.json()["data"]]

    assert listed() == []
    grant(client, staff.admin, member.id, role)
    assert listed() == [member.id]
    revoke(client, staff.admin, member.id, role)
    assert listed() == []


def test_the_next_token_has_the_scopes_of_the_roles(client: Client, staff: Staff) -> None:
    """Other services read `scope` (RFC 9068 section 2.2.3) and ask nobody."""
    member = staff.member()

    def scope() -> list[str]:
        body = {"identifier": member.email, "password": PASSWORD}
        answer = client.request("POST", "/v1/auth/login", json=body)
        part = answer.json()["access_token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return str(claims.get("scope", "")).split()

    assert scope() == []
    for role in ("support", "auditor"):
        grant(client, staff.admin, member.id, role)
    assert sorted(scope()) == ["audit:read", "roles:read", "users:read", "users:suspend"]
    revoke(client, staff.admin, member.id, "support")
    assert scope() == ["audit:read"]


def test_a_change_of_a_role_counts_at_once_for_who_holds_it(client: Client, staff: Staff) -> None:
    member = staff.holding("users:read")
    path = f"/v1/roles/{user(client, staff, member.id)['roles'][0]}"
    assert client.request("GET", "/v1/roles", token=member.token).problem == "permission-denied"
    for permissions, status in ((["roles:read"], 200), ([], 403)):
        body = {"permissions": permissions}
        changed = client.request("PATCH", path, json=body, token=staff.admin.token)
        assert changed.status == 200, changed.body
        assert client.request("GET", "/v1/roles", token=member.token).status == status


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_users_and_roles_that_are_not_there_are_not_found(
    client: Client, staff: Staff, method: str
) -> None:
    member, nobody = staff.member(), "0190b2c2-0000-7000-8000-000000000000"
    for user_id, role in (
        (nobody, "auditor"),
        (member.id, "emperor"),
        (member.id, "%00"),
        (member.id, "Admin"),
        ("me", "auditor"),
        ("1", "auditor"),
    ):
        answer = grant(client, staff.admin, user_id, role, method)
        assert (answer.status, answer.problem) == (404, "not-found"), (user_id, role)
    assert user(client, staff, member.id)["version"] == 1


@pytest.mark.parametrize(("method", "held"), [("PUT", ()), ("DELETE", ("auditor",))])
def test_a_grant_is_for_the_version_that_was_read(
    client: Client, staff: Staff, method: str, held: tuple[str, ...]
) -> None:
    member = staff.member(*held)
    version = user(client, staff, member.id)["version"]
    for stale in (f'"{version + 1}"', f'W/"{version}"'):
        answer = grant(client, staff.admin, member.id, "auditor", method, if_match=stale)
        assert (answer.status, answer.problem) == (412, "version-mismatch")
    assert user(client, staff, member.id)["roles"] == list(held)
    current = grant(client, staff.admin, member.id, "auditor", method, if_match=f'"{version}"')
    assert (current.status, current.json()["version"]) == (200, version + 1)


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("target", ["oneself", "somebody", "an administrator"])
def test_nobody_gives_or_takes_more_than_they_hold(
    client: Client, staff: Staff, superuser_url: str, method: str, target: str
) -> None:
    """Whoever may grant roles does not become an administrator that way, makes nobody one, and
    takes nothing from one, not even what they could have given."""
    granter = staff.holding("roles:grant", "audit:read")
    person = {
        "oneself": lambda: granter.id,
        "somebody": lambda: staff.person().user_id,
        "an administrator": lambda: staff.person("admin", "auditor").user_id,
    }[target]()
    roles = ["admin", "support"] + (["auditor"] if target == "an administrator" else [])
    before = user(client, staff, person)
    for role in roles:
        request_id = secrets.token_hex(8)
        answer = grant(client, granter, person, role, method, x_request_id=request_id)
        assert (answer.status, answer.problem) == (403, "privilege-escalation")
        denied = query(superuser_url, DENIED, (request_id,))
        assert denied == [(granter.id, person, "roles:grant")]
    assert user(client, staff, person) == before


def test_what_one_holds_one_may_give_and_take(client: Client, staff: Staff) -> None:
    granter, person = staff.holding("roles:grant", "audit:read"), staff.person()
    assert grant(client, granter, person.user_id, "auditor").json()["roles"] == ["auditor"]
    assert revoke(client, granter, person.user_id, "auditor").json()["roles"] == []


def test_the_last_active_administrator_keeps_the_role(
    client: Client, staff: Staff, superuser_url: str
) -> None:
    """One who is suspended, deactivated or pending is none."""
    admin = staff.admin
    staff.alone(admin)
    closed = {
        status: staff.person("admin").user_id for status in ("suspended", "deactivated", "pending")
    }
    for status, user_id in closed.items():
        query(superuser_url, "UPDATE users SET status = %s WHERE id = %s", (status, user_id))
    before = user(client, staff, admin.id)
    answer = revoke(client, admin, admin.id, "admin")
    assert (answer.status, answer.problem) == (409, "last-administrator")
    assert user(client, staff, admin.id) == before
    # Of those who are none it may be taken.
    assert revoke(client, admin, closed["suspended"], "admin").status == 200
    second = staff.member("admin")
    assert revoke(client, admin, admin.id, "admin").status == 200
    assert revoke(client, second, second.id, "admin").problem == "last-administrator"


@pytest.mark.parametrize("others", [0, 1])
def test_of_two_who_revoke_each_other_at_once_one_succeeds(
    client: Client, staff: Staff, superuser_url: str, others: int
) -> None:
    """Also while a third is left: whoever comes later is no administrator any more."""
    first, second = staff.member("admin"), staff.member("admin")
    staff.alone(first)
    for _ in range(others):
        staff.person("admin")
    restore = (
        "INSERT INTO user_roles (user_id, role, granted_at)"
        " SELECT unnest(%s::uuid[]), 'admin', now() ON CONFLICT DO NOTHING"
    )
    for _ in range(25 if client.target == "asgi" else 2):
        query(superuser_url, restore, ([first.id, second.id],))
        with ThreadPoolExecutor(2) as pool, held(superuser_url, HOLD, of=first.id) as holding:
            answers = [
                pool.submit(revoke, client, by, whom.id, "admin")
                for by, whom in ((first, second), (second, first))
            ]
            # A Lambda function does one thing at a time.
            holding.until(2 if client.target == "asgi" else 1)
        outcome = sorted((each.result().status, each.result().problem[:17]) for each in answers)
        assert outcome[0][0] == 200, outcome
        assert outcome[1] == (403, "permission-denied"), outcome


class _Interrupted:
    """Does `meanwhile` once, when the unit of work of `storage` begins."""

    def __init__(self, core: Core, meanwhile: Any) -> None:
        self.storage, self.meanwhile = core.storage, meanwhile

    def read(self) -> Any:
        return self.storage.read()

    def write(self, context: RequestContext) -> Any:
        act, self.meanwhile = self.meanwhile, lambda: None
        act()
        return self.storage.write(context)


@pytest.mark.parametrize("lost", ["role", "status"])
def test_what_was_lost_on_the_way_counts(
    core: Core, staff: Staff, superuser_url: str, lost: str
) -> None:
    """Between the look at the token and the change; the attempt is in the trail."""
    granter, person = staff.holding("roles:grant", "audit:read"), staff.person()
    principal = core.authentication.authenticate(granter.token)
    loss = {
        "role": "DELETE FROM user_roles WHERE user_id = %s",
        "status": "UPDATE users SET status = 'suspended' WHERE id = %s",
    }[lost]
    interrupted = _Interrupted(core, lambda: query(superuser_url, loss, (granter.id,)))
    guard = replace(core.roles.guard, storage=interrupted)  # type: ignore[arg-type]
    request_id = secrets.token_hex(8)
    with pytest.raises(PermissionDenied):
        replace(core.roles, guard=guard).grant(
            replace(CONTEXT, client_request_id=request_id),
            principal,
            user_id=UUID(person.user_id),
            name="auditor",
            precondition=lambda _: None,
        )
    held = "SELECT 1 FROM user_roles WHERE user_id = %s"
    assert query(superuser_url, held, (person.user_id,)) == []
    assert query(superuser_url, DENIED, (request_id,)) == [
        (granter.id, person.user_id, "roles:grant")
    ]
