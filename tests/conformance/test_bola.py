"""Every operation by every kind of caller on everybody's things (OWASP API1 and API5): whoever may
not is refused the same way whether the thing exists or not, and nothing changes."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from core.bootstrap import Core
from core.domain.access import BUILT_IN_ROLES, Permission
from core.domain.user import UserStatus
from core.lazy import lazy
from tests.support.clients import Answer, Client
from tests.support.endpoints import ENDPOINTS, Access, Endpoint
from tests.support.people import Person, random_email
from tests.support.staff import Member, Staff
from tests.support.storage import IDS, query

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text())
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
}
GUARDED = [name for name, row in ENDPOINTS.items() if row.access is not Access.ANYBODY]
PERMITTED = [name for name, row in ENDPOINTS.items() if row.access is Access.PERMITTED]
OWNED = [name for name in GUARDED if "{session_id}" in name]

# Counters and records of the attempt itself are all that a refusal may leave.
TRACES = {"throttles", "idempotency_records", "audit_events", "audit_payloads"}


@dataclass(frozen=True)
class Things:
    """What the path of a request may name: somebody's, or nobody's."""

    user_id: str
    session_id: str
    name: str

    @staticmethod
    def of(cast: Cast, row: Endpoint) -> Things:
        """Of a new user in the state that the operation needs."""
        person = _in_state(cast.staff, row.target)
        role = f"thing-{secrets.token_hex(6)}"
        query(cast.url, "INSERT INTO roles (name, built_in) VALUES (%s, false)", (role,))
        if row.role == "held":
            query(
                cast.url,
                "INSERT INTO user_roles (user_id, role, granted_at) VALUES (%s, %s, now())",
                (person.user_id, role),
            )
        session = cast.staff.log_in(person).session_id if row.target == "active" else ""
        return Things(person.user_id, session, role)

    @staticmethod
    def of_nobody() -> Things:
        return Things(str(IDS.new()), str(IDS.new()), f"none-{secrets.token_hex(6)}")


@dataclass
class Cast:
    """The callers that are refused, shared by all tests of a module: nothing happens to them."""

    staff: Staff
    url: str
    _members: dict[tuple[str, ...], Member] = field(default_factory=dict)
    _things: dict[tuple[str, str], Things] = field(default_factory=dict)

    def member(self, *roles: str) -> Member:
        if roles not in self._members:
            self._members[roles] = self.staff.member(*roles)
        return self._members[roles]

    def holding(self, *permissions: str) -> Member:
        if permissions not in self._members:
            self._members[permissions] = self.staff.holding(*permissions)
        return self._members[permissions]

    def things(self, row: Endpoint) -> Things:
        key = row.target, row.role
        if key not in self._things:
            self._things[key] = Things.of(self, row)
        return self._things[key]

    @lazy
    def powerless(self) -> Member:
        return self.staff.holding()

    @lazy
    def must_change(self) -> Member:
        member = self.staff.member("admin")
        query(
            self.url,
            "UPDATE password_credentials SET temporary = true WHERE user_id = %s",
            (member.id,),
        )
        return member

    @lazy
    def suspended(self) -> Member:
        member = self.staff.member("admin")
        query(self.url, "UPDATE users SET status = 'suspended' WHERE id = %s", (member.id,))
        return member

    @lazy
    def logged_out(self) -> Member:
        member = self.staff.member("admin")
        query(
            self.url,
            "UPDATE sessions SET revoked_at = now(), revoke_reason = 'logout' WHERE user_id = %s",
            (member.id,),
        )
        return member

    @lazy
    def tables(self) -> list[str]:
        rows = query(self.url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return sorted({name for (name,) in rows} - TRACES - {"alembic_version"})

    def digest(self, *, about: str = "") -> str:
        """Of all rows, or of those in which this id occurs."""
        return "".join(query(self.url, *self.digesting(about=about))[0])

    def digesting(self, *, about: str = "") -> tuple[str, tuple[str, ...]]:
        """The statement of a digest, and its parameters."""
        each = [
            f"(SELECT md5(coalesce(string_agg(row::text, '\n' ORDER BY row::text), ''))"
            f" FROM {table} AS row WHERE row::text LIKE %s)"
            for table in self.tables
        ]
        return f"SELECT {', '.join(each)}", (f"%{about}%",) * len(each)


@pytest.fixture(scope="module")
def cast(core: Core, superuser_url: str) -> Cast:
    return Cast(Staff(core, superuser_url), superuser_url)


def _in_state(staff: Staff, state: str) -> Person:
    if state == "pending":
        return staff.pending()
    return staff.person(status=UserStatus(state))


def call(client: Client, operation: str, things: Things, token: str | None) -> Answer:
    """The request that would succeed for whoever may make it."""
    method, path = operation.split(" ")
    body: Any = ENDPOINTS[operation].body
    if operation == "POST /v1/users":
        body = {**body, "email": random_email()}
    if operation == "POST /v1/roles":
        body = {**body, "name": f"new-{secrets.token_hex(6)}"}
    filled = re.sub(r"\{(\w+)\}", lambda match: str(getattr(things, match[1])), path)
    return client.request(method, filled, json=... if body is None else body, token=token)


def outcome(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.problem if answer.status >= 400 else ""


def refused(cast: Cast, client: Client, operation: str, token: str | None) -> set[tuple[int, str]]:
    """What comes of it with somebody's things and with nobody's; nothing has changed."""
    found = set()
    for things in (cast.things(ENDPOINTS[operation]), Things.of_nobody()):
        before = cast.digest()
        found.add(outcome(call(client, operation, things, token)))
        assert cast.digest() == before, "a call that was refused has changed something"
    return found


def test_every_operation_has_a_row() -> None:
    """Whoever adds a route says here who may call it."""
    assert sorted(ENDPOINTS) == sorted(OPERATIONS)


@pytest.mark.parametrize("operation", ENDPOINTS)
def test_the_document_says_who_may_call(operation: str) -> None:
    row, security = ENDPOINTS[operation], OPERATIONS[operation].get("security", [])
    expected = {
        Access.ANYBODY: [],
        Access.ONESELF: [{"accessToken": []}],
        Access.PERMITTED: [{"accessToken": [row.permission]}],
    }
    assert security == expected[row.access]
    assert ("403" in OPERATIONS[operation]["responses"]) >= (row.access is Access.PERMITTED)


@pytest.mark.parametrize("operation", sorted(set(ENDPOINTS) - set(GUARDED)))
def test_what_is_open_is_open_without_a_token(client: Client, operation: str) -> None:
    answer = call(client, operation, Things.of_nobody(), None)
    assert answer.status == ENDPOINTS[operation].status, answer.body


@pytest.mark.parametrize("operation", GUARDED)
def test_who_is_not_there_may_do_nothing(cast: Cast, client: Client, operation: str) -> None:
    """Without a token, with one of a suspended administrator, or of one who logged out."""
    expected = {(401, "unauthenticated")}
    for token in (None, cast.suspended.token, cast.logged_out.token):
        assert refused(cast, client, operation, token) == expected


@pytest.mark.parametrize(
    "operation", [name for name in GUARDED if not ENDPOINTS[name].with_temporary_password]
)
def test_a_password_that_has_to_be_changed_comes_first(
    cast: Cast, client: Client, operation: str
) -> None:
    """An administrator too may then only change it, or log out."""
    found = refused(cast, client, operation, cast.must_change.token)
    assert found == {(403, "password-change-required")}


@pytest.mark.parametrize("operation", PERMITTED)
def test_without_the_permission_nothing_is_there(
    cast: Cast, client: Client, operation: str
) -> None:
    """For a user, a role of no permissions, each built-in role that lacks it, and whoever holds all
    the other permissions."""
    wanted = ENDPOINTS[operation].permission
    others = [each for each in Permission if each != wanted]
    callers = [cast.member(), cast.powerless, cast.holding(*others)]
    callers += [cast.member(role) for role, held in BUILT_IN_ROLES.items() if wanted not in held]
    for caller in callers:
        found = refused(cast, client, operation, caller.token)
        assert found == {(403, "permission-denied")}


@pytest.mark.parametrize("operation", PERMITTED)
def test_the_permission_is_enough_and_touches_nobody_else(
    cast: Cast, client: Client, operation: str
) -> None:
    """Held alone or by a built-in role. What is not there is 404."""
    row = ENDPOINTS[operation]
    assert row.permission is not None
    callers = [cast.holding(row.permission)]
    callers += [
        cast.member(role) for role, held in BUILT_IN_ROLES.items() if row.permission in held
    ]
    bystander = cast.member().id
    for caller in callers:
        before = cast.digest(about=bystander)
        answer = call(client, operation, Things.of(cast, row), caller.token)
        assert answer.status == row.status, answer.body
        assert cast.digest(about=bystander) == before
        if "{" in operation:
            state = cast.digest()
            nobody = call(client, operation, Things.of_nobody(), caller.token)
            assert outcome(nobody) == (404, "not-found")
            assert cast.digest() == state


@pytest.mark.parametrize(
    "operation", [name for name in PERMITTED if "{user_id}" in name and not name.startswith("GET")]
)
def test_nobody_acts_on_somebody_who_may_more(cast: Cast, client: Client, operation: str) -> None:
    """Whoever holds the permission alone cannot touch an administrator: no way up."""
    row = ENDPOINTS[operation]
    assert row.permission is not None
    caller, admin = cast.holding(row.permission), cast.member("admin")
    before = cast.digest()
    answer = call(client, operation, Things(admin.id, "", "admin"), caller.token)
    assert outcome(answer) == (403, "privilege-escalation")
    assert cast.digest() == before


def test_nobody_gives_themselves_more(cast: Cast, client: Client) -> None:
    """Nor takes a role that has more than they hold."""
    caller = cast.holding(Permission.ROLES_GRANT, Permission.ROLES_WRITE)
    before = cast.digest()
    for role in BUILT_IN_ROLES:
        answer = client.request("PUT", f"/v1/users/{caller.id}/roles/{role}", token=caller.token)
        assert outcome(answer) == (403, "privilege-escalation")
    body = {"name": f"up-{secrets.token_hex(6)}", "permissions": ["users:read"]}
    answer = client.request("POST", "/v1/roles", json=body, token=caller.token)
    assert outcome(answer) == (403, "privilege-escalation")
    assert cast.digest() == before


@pytest.mark.parametrize(
    "operation", [name for name in GUARDED if ENDPOINTS[name].access is Access.ONESELF]
)
def test_ones_own_is_ones_own(cast: Cast, client: Client, operation: str) -> None:
    """It works for every role, and touches nobody else."""
    bystander = cast.member().id
    for role in (None, *BUILT_IN_ROLES):
        caller = cast.staff.member(*([role] if role else []))
        before = cast.digest(about=bystander)
        things = Things("", cast.staff.log_in(caller.person).session_id, "")
        answer = call(client, operation, things, caller.token)
        assert answer.status == ENDPOINTS[operation].status, answer.body
        assert cast.digest(about=bystander) == before


@pytest.mark.parametrize("operation", OWNED)
def test_what_is_somebody_elses_is_not_there(cast: Cast, client: Client, operation: str) -> None:
    """For administrators too: the routes of oneself are about oneself."""
    for caller in (cast.member(), *map(cast.member, BUILT_IN_ROLES)):
        assert refused(cast, client, operation, caller.token) == {(404, "not-found")}
