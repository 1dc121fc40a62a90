"""Lists of users that cannot be meant: each is refused, and told where it is wrong."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.support.clients import Client
from tests.support.staff import Staff
from tests.support.user_lists import USERS, faults, listed, searched

NO_TIMES = [
    "",
    "yesterday",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "2026-01-01 00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:00:00+24:00",
    "20260101T000000Z",
    "9999-12-31T23:59:59-01:00",
    "infinity",
    "now",
]


@pytest.mark.parametrize("name", ["created_after", "created_before"])
def test_what_is_no_time_is_refused(client: Client, staff: Staff, name: str) -> None:
    for given in NO_TIMES:
        for answer, pointer in (
            (listed(client, staff, **{name: given}), f"/query/{name}"),
            (searched(client, staff, **{name: given}), f"/{name}"),
        ):
            assert faults(answer) == [pointer], given


def test_a_plus_that_was_not_encoded_is_refused(client: Client, staff: Staff) -> None:
    """In a query it means a space: not the time of another zone, but none."""
    path = f"{USERS}?created_after=2026-01-01T00:00:00+01:00"
    assert client.request("GET", path, token=staff.admin.token).problem == "invalid-input"
    encoded = f"{USERS}?created_after={quote('2026-01-01T00:00:00+01:00')}"
    assert client.request("GET", encoded, token=staff.admin.token).status == 200


UNMEANT_LISTS = [
    ("q=ab", "/query/q"),
    ("q=", "/query/q"),
    ("q=" + "a" * 201, "/query/q"),
    ("q=ab%07cd", "/query/q"),
    ("q=ab%00cd", "/query/q"),
    ("q=---", "/query/q"),
    ("q=%25a%25", "/query/q"),
    ("email=nobody", "/query/email"),
    ("email=a@b@example.com", "/query/email"),
    ("email=", "/query/email"),
    ("status=asleep", "/query/status"),
    ("status=ACTIVE", "/query/status"),
    ("role=" + "r" * 64, "/query/role"),
    ("sort=username", "/query/sort"),
    ("sort=--email", "/query/sort"),
    ("sort=email%20desc", "/query/sort"),
    ("limit=0", "/query/limit"),
    ("limit=201", "/query/limit"),
    ("limit=-1", "/query/limit"),
    ("limit=5.0", "/query/limit"),
    ("limit=1_0", "/query/limit"),
    ("limit=%2B5", "/query/limit"),
    ("limit=%205", "/query/limit"),
    ("limit=1e1", "/query/limit"),
    ("limit=", "/query/limit"),
    ("limit=%D9%A5", "/query/limit"),
    ("limit=" + "9" * 5000, "/query/limit"),
    ("offset=10", "/query/offset"),
    ("page=2", "/query/page"),
    ("Q=abc", "/query/Q"),
    ("a%2Fb~c=1", "/query/a~1b~0c"),
    ("limit=5&limit=6", "/query/limit"),
    ("status=active&status=pending", "/query/status"),
]


def test_a_list_that_cannot_be_meant_is_refused(client: Client, staff: Staff) -> None:
    """A filter that is misspelt or given twice would list whom nobody asked for."""
    for parameters, pointer in UNMEANT_LISTS:
        answer = client.request("GET", f"{USERS}?{parameters}", token=staff.admin.token)
        assert faults(answer) == [pointer], parameters


UNMEANT_SEARCHES: list[tuple[dict[str, Any], str]] = [
    ({"q": "ab"}, "/q"),
    ({"q": 123}, "/q"),
    ({"q": "ab\u0007cd"}, "/q"),
    ({"q": "%a%"}, "/q"),
    ({"email": "nobody"}, "/email"),
    ({"status": "asleep"}, "/status"),
    ({"role": ["admin"]}, "/role"),
    ({"sort": "username"}, "/sort"),
    ({"limit": 0}, "/limit"),
    ({"limit": 201}, "/limit"),
    ({"limit": "5"}, "/limit"),
    ({"limit": 5.5}, "/limit"),
    ({"limit": True}, "/limit"),
    ({"offset": 1}, "/offset"),
    ({"created_after": 0}, "/created_after"),
]


def test_a_search_that_cannot_be_meant_is_refused(client: Client, staff: Staff) -> None:
    for body, pointer in UNMEANT_SEARCHES:
        assert faults(searched(client, staff, **body)) == [pointer], body
