"""Changes at once without a version that they are meant for: each waits its turn, none is refused.

412 answers a precondition (RFC 9110 section 15.5.13), and so never a request without one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.clients import Answer, Client
from tests.support.people import People
from tests.support.role_requests import ROLES, created, read
from tests.support.staff import Staff

CHANGES = 24
ANY_VERSION: tuple[Sequence[tuple[str, str]], ...] = ((), (("if-match", "*"),))


def at_once(client: Client, count: int, ask: Callable[[int], Answer]) -> list[Answer]:
    """A Lambda function does one thing at a time."""
    with ThreadPoolExecutor(8 if client.target == "asgi" else 1) as pool:
        return list(pool.map(ask, range(count)))


@pytest.mark.parametrize("headers", ANY_VERSION, ids=["none", "any"])
def test_changes_of_a_role_at_once_all_count(
    client: Client, staff: Staff, headers: Sequence[tuple[str, str]]
) -> None:
    name, token = created(client, staff)["name"], staff.admin.token

    def change(number: int) -> Answer:
        body = {"description": f"By {number}."} if number % 2 else {"permissions": ["users:read"]}
        return client.request("PATCH", f"{ROLES}/{name}", json=body, token=token, headers=headers)

    answers = at_once(client, CHANGES, change)
    assert {answer.status for answer in answers} == {200}
    versions = sorted(answer.json()["version"] for answer in answers)
    assert versions == list(range(2, CHANGES + 2))
    last = max((answer.json() for answer in answers), key=lambda role: role["version"])
    assert read(client, staff, name) == last


def test_of_deletions_of_a_role_at_once_one_finds_it(client: Client, staff: Staff) -> None:
    """Beside changes, which find it or not."""
    name, token = created(client, staff)["name"], staff.admin.token

    def ask(number: int) -> Answer:
        if number % 2:
            return client.request("DELETE", f"{ROLES}/{name}", token=token)
        body = {"description": f"By {number}."}
        return client.request("PATCH", f"{ROLES}/{name}", json=body, token=token)

    answers = at_once(client, CHANGES, ask)
    deletions = [answer.status for answer in answers[1::2]]
    assert sorted(deletions) == [204] + [404] * (CHANGES // 2 - 1)
    assert {answer.status for answer in answers[::2]} <= {200, 404}


@pytest.mark.parametrize("headers", ANY_VERSION, ids=["none", "any"])
def test_changes_of_a_user_at_once_all_count(
    client: Client, staff: Staff, headers: Sequence[tuple[str, str]]
) -> None:
    """Members of attributes too, which are merged."""
    user, token = staff.person(), staff.admin.token
    path = f"/v1/users/{user.user_id}"

    def change(number: int) -> Answer:
        body = {"attributes": {f"n{number}": number}, "display_name": f"By {number}"}
        return client.request("PATCH", path, json=body, token=token, headers=headers)

    answers = at_once(client, CHANGES, change)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json()["version"] for answer in answers}) == CHANGES
    shown = client.request("GET", path, token=token).json()
    assert shown["attributes"] == {f"n{number}": number for number in range(CHANGES)}


@pytest.mark.parametrize("headers", ANY_VERSION, ids=["none", "any"])
def test_changes_of_oneself_at_once_all_count(
    people: People, client: Client, headers: Sequence[tuple[str, str]]
) -> None:
    session = people.logged_in()

    def change(number: int) -> Answer:
        body = {"attributes": {f"n{number}": number}} if number % 2 else {"locale": "en"}
        return client.request(
            "PATCH", "/v1/users/me", json=body, token=session.access, headers=headers
        )

    answers = at_once(client, CHANGES, change)
    assert [answer.status for answer in answers if answer.status != 200] == []
    assert len({answer.json()["version"] for answer in answers}) == CHANGES
    shown = client.request("GET", "/v1/users/me", token=session.access).json()
    assert shown["attributes"] == {f"n{number}": number for number in range(1, CHANGES, 2)}


@pytest.mark.parametrize("headers", ANY_VERSION, ids=["none", "any"])
def test_leaving_while_one_changes_oneself_is_never_refused(
    people: People, client: Client, headers: Sequence[tuple[str, str]]
) -> None:
    """The account is closed once; a change beside it counts, or comes too late."""
    session = people.logged_in()

    def ask(number: int) -> Answer:
        if number == 4:
            return client.request("DELETE", "/v1/users/me", token=session.access, headers=headers)
        body = {"display_name": f"By {number}"}
        return client.request(
            "PATCH", "/v1/users/me", json=body, token=session.access, headers=headers
        )

    answers = at_once(client, 9, ask)
    assert answers.pop(4).status == 202
    assert {answer.status for answer in answers} <= {200, 401}


@pytest.mark.parametrize(
    "action", ["suspend", "reactivate", "deactivate", "revoke-sessions", "roles/support"]
)
def test_actions_on_a_user_who_is_changed_at_once_are_never_refused(
    client: Client, staff: Staff, action: str
) -> None:
    user, token = staff.person(), staff.admin.token
    path = f"/v1/users/{user.user_id}"
    method = "PUT" if action.startswith("roles") else "POST"

    def ask(number: int) -> Answer:
        if number % 2:
            return client.request(method, f"{path}/{action}", token=token)
        return client.request("PATCH", path, json={"display_name": f"By {number}"}, token=token)

    answers = at_once(client, 12, ask)
    assert {answer.status for answer in answers} <= {200, 204}, answers
