"""Changing roles and deleting them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.domain.access import BUILT_IN_ROLES
from tests.support.clients import Answer, Client
from tests.support.role_requests import ROLES, change, created, read
from tests.support.staff import Staff
from tests.support.storage import query


def test_a_role_that_was_not_changed_is_not_sent_again(client: Client, staff: Staff) -> None:
    path = f"{ROLES}/{created(client, staff)['name']}"

    def ask(tag: str) -> Answer:
        headers = [("if-none-match", tag)]
        return client.request("GET", path, token=staff.support.token, headers=headers)

    for tag in ('"1"', 'W/"1"', "*", '"9", "1"'):
        answer = ask(tag)
        assert (answer.status, answer.body, answer.header("etag")) == (304, b"", '"1"')
    assert change(client, staff, path.rpartition("/")[2], {"description": "New."}).status == 200
    answer = ask('"1"')
    assert (answer.status, answer.header("etag")) == (200, '"2"')


@pytest.mark.parametrize(
    "name", ["none-such", "Admin", "%00", "%C3%A9", "a%20b", "r" * 64, "a" * 2000, "%27%3B--"]
)
def test_a_role_that_is_not_there_is_not_found(client: Client, staff: Staff, name: str) -> None:
    """Whatever somebody puts into the path."""
    token, path = staff.admin.token, f"{ROLES}/{name}"
    for answer in (
        client.request("GET", path, token=token),
        client.request("PATCH", path, token=token, json={"description": "x"}),
        client.request("DELETE", path, token=token),
    ):
        assert (answer.status, answer.problem) == (404, "not-found")


def test_each_part_changes_alone(client: Client, staff: Staff) -> None:
    """What is not named stays, and the version rises by one."""
    role = created(client, staff, "users:read", description="Old.")
    name = role["name"]
    first = change(client, staff, name, {"description": "New."})
    assert first.status == 200, first.body
    assert first.header("etag") == '"2"'
    assert first.json() == role | {
        "description": "New.",
        "version": 2,
        "updated_at": first.json()["updated_at"],
    }
    assert first.json()["updated_at"] > role["updated_at"]
    second = change(client, staff, name, {"permissions": ["audit:read", "roles:read"]})
    assert second.json()["permissions"] == ["audit:read", "roles:read"]
    assert (second.json()["description"], second.json()["version"]) == ("New.", 3)
    both = change(client, staff, name, {"permissions": [], "description": ""})
    assert (both.json()["permissions"], both.json()["description"]) == ([], "")
    assert read(client, staff, name) == both.json()


def test_a_change_counts_only_for_the_version_that_was_read(client: Client, staff: Staff) -> None:
    role = created(client, staff, "users:read")
    name = role["name"]
    for stale in ('"0"', '"2"', 'W/"1"'):
        answer = change(client, staff, name, {"permissions": []}, stale)
        assert (answer.status, answer.problem) == (412, "version-mismatch")
    assert change(client, staff, name, {"permissions": []}, "1").status == 400
    assert read(client, staff, name) == role
    assert change(client, staff, name, {"permissions": []}, '"7", "1"').status == 200
    assert change(client, staff, name, {"description": "x"}, "*").status == 200
    headers = [("if-match", '"1"')]
    path = f"{ROLES}/{name}"
    stale_delete = client.request("DELETE", path, token=staff.admin.token, headers=headers)
    assert stale_delete.problem == "version-mismatch"
    headers = [("if-match", '"3"')]
    assert client.request("DELETE", path, token=staff.admin.token, headers=headers).status == 204


def test_of_changes_at_once_to_one_version_one_wins(client: Client, staff: Staff) -> None:
    name, token = created(client, staff)["name"], staff.admin.token

    def one(number: int) -> int:
        body = {"description": f"By {number}."}
        headers = [("if-match", '"1"')]
        path = f"{ROLES}/{name}"
        return client.request("PATCH", path, json=body, token=token, headers=headers).status

    with ThreadPoolExecutor(8 if client.target == "asgi" else 1) as pool:
        assert sorted(pool.map(one, range(8))) == [200] + [412] * 7
    assert read(client, staff, name)["version"] == 2


@pytest.mark.parametrize("name", list(BUILT_IN_ROLES))
def test_what_is_built_in_stays(client: Client, staff: Staff, name: str) -> None:
    """Even for an administrator."""
    before = read(client, staff, name)
    assert before["built_in"]
    assert before["permissions"] == sorted(BUILT_IN_ROLES[name])
    token, path = staff.admin.token, f"{ROLES}/{name}"
    for answer in (
        change(client, staff, name, {"description": "Mine."}),
        change(client, staff, name, {"permissions": []}),
        client.request("DELETE", path, token=token),
    ):
        assert (answer.status, answer.problem) == (409, "role-built-in")
    assert read(client, staff, name) == before


def test_a_role_that_somebody_holds_stays(client: Client, staff: Staff) -> None:
    name = created(client, staff, "users:read")["name"]
    token, path = staff.admin.token, f"{ROLES}/{name}"
    holder = staff.person(name)
    answer = client.request("DELETE", path, token=token)
    assert (answer.status, answer.problem) == (409, "role-in-use")
    grant = f"/v1/users/{holder.user_id}/roles/{name}"
    assert client.request("DELETE", grant, token=token).status == 200
    assert client.request("DELETE", path, token=token).status == 204
    assert client.request("GET", path, token=token).status == 404
    assert client.request("DELETE", path, token=token).status == 404


def test_a_role_is_deleted_or_granted_never_both(
    client: Client, staff: Staff, superuser_url: str
) -> None:
    """Whoever comes first; the other is told why."""
    token = staff.admin.token
    outcomes = set()
    for _ in range(15 if client.target == "asgi" else 2):
        name, user = created(client, staff, "users:read")["name"], staff.person()
        with ThreadPoolExecutor(2) as pool:
            grant = pool.submit(
                client.request, "PUT", f"/v1/users/{user.user_id}/roles/{name}", token=token
            )
            deletion = pool.submit(client.request, "DELETE", f"{ROLES}/{name}", token=token)
        outcome = (grant.result().status, deletion.result().status)
        assert outcome in {(200, 409), (404, 204)}, outcome
        held = query(superuser_url, "SELECT 1 FROM user_roles WHERE role = %s", (name,))
        assert bool(held) == (outcome == (200, 409))
        outcomes.add(outcome)
    assert outcomes
