"""One permission opens one operation: OpenAPI names it, the use case asks for it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.domain.access import PERMISSIONS
from tests.support.clients import Answer, Client
from tests.support.staff import Staff
from tests.support.storage import OF_REQUEST, query

DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "docs/openapi.json").read_text())
SCHEME = "accessToken"
EVENTS = (
    "SELECT type, actor::text, subject, payload->>'permission', payload->>'problem'"
    f" FROM audit_events JOIN audit_payloads ON event_id = id WHERE {OF_REQUEST}"
)
USER = "0190b2c2-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    scopes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def operations() -> Iterator[Operation]:
    """Those with a token."""
    for path, methods in DOCUMENT["paths"].items():
        for method, found in methods.items():
            for requirement in found.get("security", ()):
                yield Operation(method.upper(), path, tuple(requirement[SCHEME]))


SCOPED = [each for each in operations() if each.scopes]

BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/users": {"email": "a@b@example.com"},
    "POST /v1/users/search": {},
    "POST /v1/roles": {"name": "none-such", "permissions": ["none"]},
    "PATCH /v1/roles/{name}": {"description": "New."},
    "PATCH /v1/users/{user_id}": {"display_name": "New"},
}
"""Well-formed ones. What they ask for is not there or not allowed, so that nothing changes for
whoever has the permission either."""


def ask(client: Client, operation: Operation, token: str, request_id: str = "") -> Answer:
    path = operation.path.format(user_id=USER, name="none-such")
    sent: dict[str, Any] = {}
    if str(operation) in BODIES:
        sent["json"] = BODIES[str(operation)]
    if request_id:
        sent["headers"] = [("x-request-id", request_id)]
    return client.request(operation.method, path, token=token, **sent)


def test_every_permission_is_in_the_description_and_every_scope_in_the_table() -> None:
    described = DOCUMENT["components"]["securitySchemes"][SCHEME]["description"]
    for permission, meaning in PERMISSIONS.items():
        assert f"- `{permission}`: {meaning}" in described
    assert {scope for each in SCOPED for scope in each.scopes} <= set(PERMISSIONS)
    assert all(len(each.scopes) == 1 for each in SCOPED)


def test_what_is_about_others_has_a_scope() -> None:
    """Without one there is only what everybody may do with their own account."""
    free = {str(each) for each in operations() if not each.scopes}
    assert free
    assert all(
        path.startswith(("/v1/users/me", "/v1/auth/logout")) for _, path in map(str.split, free)
    ), free
    assert len(SCOPED) >= 20


@pytest.mark.parametrize("operation", SCOPED, ids=str)
def test_exactly_the_permission_of_the_document_opens_it(
    client: Client, staff: Staff, superuser_url: str, operation: Operation
) -> None:
    """Whoever has all others is refused, which is in the trail, whether it reads or writes; and
    whoever has it alone gets beyond that."""
    (permission,) = operation.scopes
    without = staff.holding(*(each for each in PERMISSIONS if each != permission))
    request_id = secrets.token_hex(8)
    refused = ask(client, operation, without.token, request_id)
    assert (refused.status, refused.problem) == (403, "permission-denied"), refused.body
    denied = ("access.denied", without.id, None, permission, "permission-denied")
    assert query(superuser_url, EVENTS, (request_id,)) == [denied]
    let_in = ask(client, operation, staff.holding(permission).token)
    assert let_in.status in {200, 404, 422}, let_in.body
    everybody = ask(client, operation, staff.member().token)
    assert everybody.problem == "permission-denied"
