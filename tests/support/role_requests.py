"""Roles asked for through the API, by an administrator."""

from __future__ import annotations

import secrets
from typing import Any

from tests.support.clients import Answer, Client
from tests.support.staff import Staff

ROLES = "/v1/roles"


def new_name() -> str:
    return f"r-{secrets.token_hex(8)}"


def create(client: Client, staff: Staff, **body: Any) -> Answer:
    return client.request("POST", ROLES, json=body, token=staff.admin.token)


def created(client: Client, staff: Staff, *permissions: str, **body: Any) -> dict[str, Any]:
    answer = create(client, staff, **{"name": new_name(), "permissions": permissions, **body})
    assert answer.status == 201, answer.body
    role: dict[str, Any] = answer.json()
    return role


def change(
    client: Client, staff: Staff, name: str, body: object, if_match: str | None = None
) -> Answer:
    headers = [] if if_match is None else [("if-match", if_match)]
    path = f"{ROLES}/{name}"
    return client.request("PATCH", path, json=body, token=staff.admin.token, headers=headers)


def read(client: Client, staff: Staff, name: str) -> dict[str, Any]:
    answer = client.request("GET", f"{ROLES}/{name}", token=staff.admin.token)
    assert answer.status == 200, answer.body
    role: dict[str, Any] = answer.json()
    return role


def pointers(answer: Answer) -> list[str]:
    assert (answer.status, answer.problem) == (422, "invalid-input"), answer.body
    return [error["pointer"] for error in answer.json()["errors"]]
