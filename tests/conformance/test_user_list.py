"""Finding users: filters, sorts, pages and what may be asked for."""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from core.adapters.telemetry import logs
from core.domain.user import UserStatus
from tests.support.clients import Client
from tests.support.log_lines import logging_restored
from tests.support.people import Person, random_email
from tests.support.staff import Staff
from tests.support.storage import query
from tests.support.user_lists import USERS, ids, listed, searched

NEXT = re.compile(r'<([^>]+)>; rel="next"')
SORTS = ["created_at", "email", "last_login_at"]


def pages(client: Client, token: str, path: str) -> Iterator[list[dict[str, Any]]]:
    """Follows the Link of each answer to the end."""
    for _ in range(500):
        answer = client.request("GET", path, token=token)
        assert answer.status == 200, answer.body
        yield answer.json()["data"]
        link = answer.header("link")
        assert (link is None) == (answer.json()["next_cursor"] is None)
        if link is None:
            return
        found = NEXT.fullmatch(link)
        assert found, link
        path = found[1]
    raise AssertionError("the list does not end")


@pytest.fixture
def marker() -> str:
    """Part of the names of this test's users, and of nobody else's."""
    return f"m{secrets.token_hex(8)}"


@pytest.fixture
def crowd(staff: Staff, marker: str) -> list[Person]:
    """Seven, of whom the last three have logged in."""
    people = [staff.person(profile={"display_name": f"{marker} {n}"}) for n in range(7)]
    for person in people[4:]:
        staff.log_in(person)
    return people


@pytest.mark.parametrize("sort", [*SORTS, *(f"-{name}" for name in SORTS)])
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_pages_show_everybody_once_and_in_order(
    client: Client, staff: Staff, crowd: list[Person], marker: str, sort: str, limit: int
) -> None:
    """Whatever divides them; whoever never logged in counts as before the first login."""
    path = f"{USERS}?{urlencode({'q': marker, 'sort': sort, 'limit': limit})}"
    walked = list(pages(client, staff.admin.token, path))
    assert [len(page) for page in walked[:-1]] == [limit] * (len(walked) - 1)
    shown = [user for page in walked for user in page]
    key = sort.removeprefix("-")
    expected = sorted(
        shown, key=lambda user: (user[key] or "", user["id"]), reverse=sort.startswith("-")
    )
    assert [user["id"] for user in shown] == [user["id"] for user in expected]
    assert {user["id"] for user in shown} == {person.user_id for person in crowd}
    assert len(shown) == len(crowd)


def test_the_newest_come_first_unless_asked_otherwise(
    client: Client, staff: Staff, crowd: list[Person], marker: str
) -> None:
    newest_first = [person.user_id for person in reversed(crowd)]
    assert ids(listed(client, staff, q=marker)) == newest_first
    assert ids(searched(client, staff, q=marker)) == newest_first


def test_a_page_has_fifty_entries_and_at_most_two_hundred(
    client: Client, staff: Staff, marker: str
) -> None:
    for number in range(51):
        staff.pending(profile={"display_name": f"{marker} {number}"})
    assert len(ids(listed(client, staff, q=marker))) == 50
    assert len(ids(listed(client, staff, q=marker, limit=200))) == 51
    assert len(ids(searched(client, staff, q=marker))) == 50


def test_who_comes_and_goes_meanwhile_moves_nobody(
    client: Client, staff: Staff, crowd: list[Person], marker: str
) -> None:
    """A keyset page begins behind the last entry, not behind a number of entries."""
    first = listed(client, staff, q=marker, sort="created_at", limit=3)
    staff.person(profile={"display_name": marker})
    cursor = first.json()["next_cursor"]
    second = listed(client, staff, q=marker, sort="created_at", limit=3, cursor=cursor)
    assert ids(first) + ids(second) == [person.user_id for person in crowd[:6]]


@pytest.mark.parametrize("field", ["username", "display_name", "given_name", "family_name"])
def test_a_part_of_any_name_finds_in_any_case(
    client: Client, staff: Staff, marker: str, field: str
) -> None:
    value = marker.capitalize()
    profile = {} if field == "username" else {field: f"Ada {value}"}
    person = staff.person(username=value if field == "username" else None, profile=profile)
    staff.person()
    for part in (marker.upper(), marker[1:-1], marker[:3] + marker[3:6].upper()):
        found = ids(listed(client, staff, q=part))
        assert person.user_id in found
    assert ids(listed(client, staff, q=marker)) == [person.user_id]


def test_a_part_of_the_address_finds(client: Client, staff: Staff) -> None:
    person = staff.person()
    local = person.email.partition("@")[0]
    assert ids(listed(client, staff, q=f"{local}@EXAMPLE".upper())) == [person.user_id]
    assert ids(searched(client, staff, q=local[7:])) == [person.user_id]


@pytest.mark.parametrize("wildcards", ["%%%", "___", "\\\\\\", "%_%"])
def test_wildcards_stand_for_themselves(
    client: Client, staff: Staff, marker: str, wildcards: str
) -> None:
    staff.person(profile={"display_name": marker})
    person = staff.person(profile={"display_name": f"{marker}{wildcards}"})
    assert ids(listed(client, staff, q=marker + wildcards)) == [person.user_id]


def test_the_whole_address_finds_one_in_any_case(client: Client, staff: Staff) -> None:
    person = staff.person(email=random_email().replace("person", "Person"))
    for given in (person.email, person.email.upper(), person.email.lower()):
        assert ids(listed(client, staff, email=given)) == [person.user_id]
        assert ids(searched(client, staff, email=given)) == [person.user_id]
    assert ids(listed(client, staff, email=person.email[1:])) == []


def test_a_status_finds_those_who_have_it(client: Client, staff: Staff, marker: str) -> None:
    people = {
        status: staff.person(status=status, profile={"display_name": marker})
        for status in UserStatus
    }
    for status, person in people.items():
        assert ids(listed(client, staff, q=marker, status=status.value)) == [person.user_id]
        assert ids(searched(client, staff, q=marker, status=status.value)) == [person.user_id]


def test_a_role_finds_those_who_hold_it(client: Client, staff: Staff, marker: str) -> None:
    both = staff.person("support", "auditor", profile={"display_name": marker})
    one = staff.person("auditor", profile={"display_name": marker})
    staff.person(profile={"display_name": marker})
    assert ids(listed(client, staff, q=marker, role="support")) == [both.user_id]
    assert ids(listed(client, staff, q=marker, role="auditor")) == [one.user_id, both.user_id]
    assert ids(searched(client, staff, q=marker, role="no-such-role")) == []


def test_times_of_creation_bound_a_list(
    client: Client, staff: Staff, marker: str, superuser_url: str
) -> None:
    """From the first moment on, up to and without the last."""
    people = [staff.person(profile={"display_name": marker}) for _ in range(3)]
    for day, person in enumerate(people, start=1):
        created = f"2001-02-0{day}T00:00:00Z"
        change = "UPDATE users SET created_at = %s WHERE id = %s"
        query(superuser_url, change, (created, person.user_id))
    first, second, third = (person.user_id for person in people)

    def found(**bounds: str) -> list[str]:
        by_query = ids(listed(client, staff, q=marker, sort="created_at", **bounds))
        assert by_query == ids(searched(client, staff, q=marker, sort="created_at", **bounds))
        return by_query

    middle = "2001-02-02T00:00:00Z"
    assert found(created_after=middle) == [second, third]
    assert found(created_before=middle) == [first]
    assert found(created_after=middle, created_before="2001-02-03T00:00:00Z") == [second]
    assert found(created_after="2001-02-02T01:00:00.000001+01:00") == [third]
    assert found(created_after="2001-02-01t19:00:00-05:00") == [second, third]
    assert found(created_before="0001-01-01T00:00:00Z") == []
    assert found(created_after="9999-12-31T23:59:59Z") == []


def test_a_search_in_a_body_answers_as_the_list(
    client: Client, staff: Staff, crowd: list[Person], marker: str
) -> None:
    """Same entries; a cursor of the one goes on in the other; a list has its next page's address
    beside them."""
    for sort in (*SORTS, *(f"-{name}" for name in SORTS)):
        cursor: dict[str, str] = {}
        for number in range(3):
            wanted = {"q": marker, "sort": sort, "limit": 3, "status": "active", **cursor}
            listing = listed(client, staff, **wanted)
            search = searched(client, staff, **wanted)
            assert (search.status, search.json()["data"]) == (200, listing.json()["data"])
            assert search.header("link") is None
            following = [each.json()["next_cursor"] for each in (listing, search)]
            assert following.count(None) in {0, 2}
            cursor = {"cursor": following[number % 2]}
        assert cursor == {"cursor": None}


@pytest.mark.parametrize(
    "change",
    [
        {"sort": "-email"},
        {"sort": "-last_login_at"},
        {"sort": "created_at"},
        {"status": "active"},
        {"role": "admin"},
        {"q": "somebody else"},
        {"created_after": "2001-01-01T00:00:00Z"},
    ],
)
def test_a_cursor_is_good_for_its_own_list_only(
    client: Client, staff: Staff, crowd: list[Person], marker: str, change: dict[str, str]
) -> None:
    """Kratos CVE-2026-33503: a cursor tells where to go on, and only there."""
    cursor = listed(client, staff, q=marker, limit=2).json()["next_cursor"]
    other = listed(client, staff, **{"q": marker, "limit": 2, "cursor": cursor, **change})
    assert (other.status, other.problem) == (400, "invalid-cursor")
    assert listed(client, staff, q=marker, limit=5, cursor=cursor).status == 200


def test_a_cursor_that_was_not_given_out_is_refused_by_lists_of_users(
    client: Client, staff: Staff, crowd: list[Person], marker: str
) -> None:
    cursor: str = listed(client, staff, q=marker, limit=2).json()["next_cursor"]
    forged = [cursor[:cut] for cut in range(0, len(cursor), 7)]
    forged += [
        cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in (0, 9)
    ]
    forged += [f"{cursor}A", f"{cursor}=", f"{cursor}!", f" {cursor}", cursor * 40, "é", "\0"]
    of_roles = client.request("GET", "/v1/roles?limit=1", token=staff.admin.token)
    forged.append(of_roles.json()["next_cursor"])
    for each in forged:
        answer = listed(client, staff, q=marker, limit=2, cursor=each)
        assert (answer.status, answer.problem) == (400, "invalid-cursor"), each
        assert searched(client, staff, q=marker, limit=2, cursor=each).status in {400, 422}


def test_a_cursor_tells_nobodys_address(
    client: Client, staff: Staff, crowd: list[Person], marker: str
) -> None:
    """It stands in URLs, which proxies log, and the order by address begins at one."""
    answer = listed(client, staff, q=marker, sort="email", limit=2)
    cursor: str = answer.json()["next_cursor"]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    last = answer.json()["data"][-1]["email"]
    assert last.encode() not in raw
    assert b"example" not in raw


def test_a_list_tells_no_totals(
    client: Client, staff: Staff, crowd: list[Person], marker: str
) -> None:
    """CVE-2025-67717: how many there are is nowhere, in the body or in a header."""
    for answer in (listed(client, staff, q=marker, limit=2), searched(client, staff, q=marker)):
        assert set(answer.json()) == {"data", "next_cursor"}
        named = {name for name, _ in answer.headers}
        assert not {name for name in named if "total" in name or "count" in name or "range" in name}


@pytest.mark.parametrize(("method", "path"), [("GET", USERS), ("POST", f"{USERS}/search")])
def test_it_takes_the_permission_to_read_users(
    client: Client, staff: Staff, method: str, path: str
) -> None:
    body: object = {} if method == "POST" else ...
    for member, status in (
        (staff.admin, 200),
        (staff.support, 200),
        (staff.holding("users:read"), 200),
        (staff.auditor, 403),
        (staff.member(), 403),
        (staff.holding("users:write", "users:suspend", "users:delete"), 403),
    ):
        answer = client.request(method, path, json=body, token=member.token)
        assert answer.status == status, answer.body
        if status == 403:
            assert answer.problem == "permission-denied"
    assert client.request(method, path, json=body).status == 401


def test_the_addresses_of_a_search_are_in_no_log(
    client: Client, staff: Staff, request: pytest.FixtureRequest
) -> None:
    log = request.getfixturevalue("server").log
    already = len(log.read_text())
    with logging_restored() as function:
        logs.configure(level="INFO", service="user-api", pod="function", stream=function)
        person = searched_for(client, staff)

    def logged_by() -> str:
        return function.getvalue() if client.target == "lambda" else log.read_text()[already:]

    # A line may come behind the answer that it is about.
    ends = time.monotonic() + 30
    while (logged := logged_by()).count(f'"{USERS}') < 6:
        assert time.monotonic() < ends, logged
        time.sleep(0.05)
    assert person.email not in logged
    assert person.email.partition("@")[0] not in logged


def searched_for(client: Client, staff: Staff) -> Person:
    person = staff.person()
    for answer in (
        listed(client, staff, email=person.email),
        listed(client, staff, q=person.email),
        searched(client, staff, email=person.email),
        searched(client, staff, q=person.email),
        listed(client, staff, email=f"{person.email}@"),
        searched(client, staff, email=f"{person.email}@"),
    ):
        assert answer.status in {200, 422}
    return person
