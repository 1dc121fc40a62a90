"""Lists of users as an administrator asks for them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tests.support.clients import Answer, Client
from tests.support.staff import Staff

USERS = "/v1/users"


def listed(client: Client, staff: Staff, **parameters: Any) -> Answer:
    """GET, with these in the query."""
    return client.request("GET", f"{USERS}?{urlencode(parameters)}", token=staff.admin.token)


def searched(client: Client, staff: Staff, **body: Any) -> Answer:
    """POST, with these in the body."""
    return client.request("POST", f"{USERS}/search", json=body, token=staff.admin.token)


def ids(answer: Answer) -> list[str]:
    """Who is on the page, in its order."""
    assert answer.status == 200, answer.body
    return [user["id"] for user in answer.json()["data"]]


def faults(answer: Answer) -> list[str]:
    """Where a refused input is wrong."""
    assert (answer.status, answer.problem) == (422, "invalid-input"), answer.body
    return [error["pointer"] for error in answer.json()["errors"]]
