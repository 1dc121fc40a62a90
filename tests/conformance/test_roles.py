"""Roles: listing, making, reading, changing and deleting them."""

from __future__ import annotations

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.domain.access import BUILT_IN_ROLES
from tests.support.clients import Client
from tests.support.role_requests import ROLES, change, create, created, new_name, pointers, read
from tests.support.staff import Staff
from tests.support.storage import query

NEXT = re.compile(r'<([^>]+)>; rel="next"')
ROW = "SELECT description, version, built_in FROM roles WHERE name = %s"


@pytest.mark.parametrize("limit", [1, 2, 200])
def test_the_list_shows_every_role_once_and_by_name(
    client: Client, staff: Staff, superuser_url: str, limit: int
) -> None:
    """To the end, whatever divides it; with what is built in."""
    made = {created(client, staff, "users:read")["name"] for _ in range(3)}
    # Other tests leave roles too: pages of one would take too long over all of them.
    path, shown = f"{ROLES}?limit={limit}", []
    for _ in range(20 if limit < 200 else 100):
        answer = client.request("GET", path, token=staff.admin.token)
        assert answer.status == 200, answer.body
        data = answer.json()["data"]
        shown += [role["name"] for role in data]
        link = answer.header("link")
        assert (link is None) == (answer.json()["next_cursor"] is None)
        if link is None:
            break
        assert len(data) == limit
        found = NEXT.fullmatch(link)
        assert found, link
        path = found[1]
    everybody = [name for (name,) in query(superuser_url, "SELECT name FROM roles ORDER BY name")]
    assert shown == everybody[: len(shown)]
    if limit == 200:
        assert made | set(BUILT_IN_ROLES) <= set(shown)
        assert shown == everybody


@pytest.mark.parametrize(
    "cursor", ["", "x", "Zm9yZ2Vk", "AAAAAAAAAAAAAAAAAAAAAFsiYWRtaW4iXQ", "%C3%A9", "a" * 3000]
)
def test_a_cursor_that_was_not_given_out_is_refused(
    client: Client, staff: Staff, cursor: str
) -> None:
    answer = client.request("GET", f"{ROLES}?cursor={cursor}", token=staff.admin.token)
    assert (answer.status, answer.problem) == (400, "invalid-cursor")


def test_a_cursor_of_another_list_is_refused(client: Client, staff: Staff) -> None:
    staff.person()
    users = client.request("GET", "/v1/users?limit=1", token=staff.admin.token)
    cursor = users.json()["next_cursor"]
    answer = client.request("GET", f"{ROLES}?cursor={cursor}", token=staff.admin.token)
    assert (answer.status, answer.problem) == (400, "invalid-cursor")


def test_a_new_role_is_what_was_asked_for(client: Client, staff: Staff) -> None:
    name = new_name()
    body = {"name": name, "description": "Pays.", "permissions": ["users:read", "audit:read"]}
    answer = create(client, staff, **body)
    assert answer.status == 201, answer.body
    role = answer.json()
    assert (role["name"], role["description"]) == (name, "Pays.")
    assert role["permissions"] == ["audit:read", "users:read"]
    assert (role["built_in"], role["version"]) == (False, 1)
    assert role["created_at"] == role["updated_at"]
    assert answer.header("location") == f"{ROLES}/{name}"
    assert answer.header("etag") == '"1"'
    assert read(client, staff, name) == role


def test_a_role_may_be_of_no_permission(client: Client, staff: Staff) -> None:
    role = created(client, staff)
    assert (role["permissions"], role["description"]) == ([], "")


@pytest.mark.parametrize("name", ["a", "z9", "a-b-c", "r" + "0" * 54])
def test_names_of_one_to_63_characters_are_taken(client: Client, staff: Staff, name: str) -> None:
    """As they are; each target makes it anew."""
    path = f"{ROLES}/{name}"
    client.request("DELETE", path, token=staff.admin.token)
    assert created(client, staff, name=name)["name"] == name
    assert client.request("DELETE", path, token=staff.admin.token).status == 204


BAD_NAMES = [
    "",
    "A",
    "Admin",
    "1a",
    "-a",
    "a-",
    "a_b",
    "a b",
    "a.b",
    "a/b",
    "a\n",
    " a",
    "r" * 64,
    "café",
    "\u0430dmin",
    "admin\u200b",
    "\uff41dmin",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_other_names_are_refused(client: Client, staff: Staff, name: str) -> None:
    """Letters that only look like others too: nobody makes a second "admin"."""
    answer = create(client, staff, name=name, permissions=[])
    assert pointers(answer) == ["/name"]


@pytest.mark.parametrize("name", ["admin", "support", "auditor"])
def test_a_name_that_is_taken_is_refused(client: Client, staff: Staff, name: str) -> None:
    for taken in (name, created(client, staff)["name"]):
        answer = create(client, staff, name=taken, permissions=[])
        assert (answer.status, answer.problem) == (409, "role-taken")


def test_ten_at_once_make_one_role(client: Client, staff: Staff) -> None:
    name, token = new_name(), staff.admin.token

    def one(_: int) -> int:
        body = {"name": name, "permissions": ["users:read"]}
        return client.request("POST", ROLES, json=body, token=token).status

    with ThreadPoolExecutor(10 if client.target == "asgi" else 1) as pool:
        assert sorted(pool.map(one, range(10))) == [201] + [409] * 9


REFUSED: list[tuple[dict[str, Any], list[str]]] = [
    ({"permissions": ["users:read", "users:everything"]}, ["/permissions/1"]),
    ({"permissions": ["USERS:READ", "", "users:read "]}, [f"/permissions/{n}" for n in range(3)]),
    ({"permissions": ["users:read", "audit:read", "users:read"]}, ["/permissions/2"]),
    ({"permissions": ["*"]}, ["/permissions/0"]),
    ({"permissions": "users:read"}, ["/permissions"]),
    ({"permissions": None}, ["/permissions"]),
    ({"permissions": [None]}, ["/permissions/0"]),
    ({"permissions": ["users:read"] * 101}, ["/permissions"]),
    ({"description": "d" * 501}, ["/description"]),
    ({"description": "a\u0007b"}, ["/description"]),
    ({"description": None}, ["/description"]),
    ({"built_in": True}, ["/built_in"]),
    ({"version": 7}, ["/version"]),
    ({"created_at": "2026-01-01T00:00:00Z"}, ["/created_at"]),
    ({"users": ["0190b2c2-0000-7000-8000-000000000000"]}, ["/users"]),
]


@pytest.mark.parametrize(("body", "expected"), REFUSED)
def test_what_no_role_may_be_is_refused(
    client: Client, staff: Staff, superuser_url: str, body: dict[str, Any], expected: list[str]
) -> None:
    """When it is made and when it is changed, with the place; nothing is made or changed."""
    name = new_name()
    assert pointers(create(client, staff, **{"name": name, "permissions": [], **body})) == expected
    assert query(superuser_url, ROW, (name,)) == []
    role = created(client, staff, "users:read", description="As it was.")
    assert pointers(change(client, staff, role["name"], body)) == expected
    assert read(client, staff, role["name"]) == role


def test_the_name_of_a_role_stays(client: Client, staff: Staff) -> None:
    role = created(client, staff)
    assert pointers(change(client, staff, role["name"], {"name": new_name()})) == ["/name"]


def test_a_repeated_request_makes_one_role_and_gets_one_answer(
    client: Client, staff: Staff
) -> None:
    key = [("idempotency-key", secrets.token_hex(16))]
    body = {"name": new_name(), "permissions": ["users:read"]}
    token = staff.admin.token
    first = client.request("POST", ROLES, json=body, token=token, headers=key)
    again = client.request("POST", ROLES, json=body, token=token, headers=key)
    assert (first.status, again.status) == (201, 201)
    assert first.body == again.body
    for name in ("location", "etag"):
        assert first.header(name) == again.header(name) is not None
    assert again.header("idempotency-replayed") == "true"
    body["name"] = new_name()
    other = client.request("POST", ROLES, json=body, token=token, headers=key)
    assert other.problem == "idempotency-key-reused"
