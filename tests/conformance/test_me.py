"""One's own account: reading, changing, leaving."""

from __future__ import annotations

import secrets

import pytest

from tests.support.clients import Client
from tests.support.people import PASSWORD, People

FIELDS = [
    "id",
    "email",
    "email_verified",
    "username",
    "display_name",
    "given_name",
    "family_name",
    "phone",
    "locale",
    "time_zone",
    "picture",
    "status",
    "roles",
    "attributes",
    "mfa_enabled",
    "created_at",
    "updated_at",
    "last_login_at",
    "version",
]


def test_a_user_has_the_documented_fields(people: People, client: Client) -> None:
    answer = client.request("GET", "/v1/users/me", token=people.logged_in().access)
    assert list(answer.json()) == FIELDS
    assert answer.header("etag") == '"1"'
    assert answer.header("cache-control") == "no-store"
    created = answer.json()["created_at"]
    assert len(created) == len("2026-01-01T00:00:00.000Z")
    assert created.endswith("Z")


def test_an_unchanged_user_is_not_sent_again(people: People, client: Client) -> None:
    token = people.logged_in().access
    headers = [("if-none-match", '"1"')]
    answer = client.request("GET", "/v1/users/me", token=token, headers=headers)
    assert (answer.status, answer.body, answer.header("etag")) == (304, b"", '"1"')
    weak = [("if-none-match", 'W/"0", W/"1"')]
    assert client.request("GET", "/v1/users/me", token=token, headers=weak).status == 304
    other = [("if-none-match", '"2"')]
    assert client.request("GET", "/v1/users/me", token=token, headers=other).status == 200


def test_a_merge_patch_changes_clears_and_merges(people: People, client: Client) -> None:
    """RFC 7396: null clears, objects merge, what is not named stays."""
    token = people.logged_in(display_name="Ada", given_name="Augusta").access
    first = {"attributes": {"theme": {"dark": True, "size": 1}, "beta": True}}
    assert client.request("PATCH", "/v1/users/me", json=first, token=token).status == 200
    second = {
        "display_name": None,
        "time_zone": "Europe/London",
        "attributes": {"theme": {"size": 2}, "beta": None},
    }
    answer = client.request("PATCH", "/v1/users/me", json=second, token=token)
    assert answer.status == 200, answer.body
    body = answer.json()
    assert body["display_name"] is None
    assert body["given_name"] == "Augusta"
    assert body["time_zone"] == "Europe/London"
    assert body["attributes"] == {"theme": {"dark": True, "size": 2}}
    assert (body["version"], answer.header("etag")) == (3, '"3"')
    assert client.request("GET", "/v1/users/me", token=token).json() == body


def test_null_clears_the_attributes_too(people: People, client: Client) -> None:
    """RFC 7396: what is not there any more is an empty object, as before the first one."""
    token = people.logged_in().access
    for attributes, shown in (({"theme": "dark"}, {"theme": "dark"}), (None, {})):
        change = {"attributes": attributes}
        answer = client.request("PATCH", "/v1/users/me", json=change, token=token)
        assert answer.status == 200, answer.body
        assert answer.json()["attributes"] == shown


def test_a_stale_if_match_changes_nothing(people: People, client: Client) -> None:
    token = people.logged_in().access
    fresh = [("if-match", '"1"')]
    change = {"display_name": "first"}
    answer = client.request("PATCH", "/v1/users/me", json=change, token=token, headers=fresh)
    assert answer.status == 200
    change = {"display_name": "second"}
    stale = client.request("PATCH", "/v1/users/me", json=change, token=token, headers=fresh)
    assert (stale.status, stale.problem) == (412, "version-mismatch")
    assert client.request("GET", "/v1/users/me", token=token).json()["display_name"] == "first"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "other@example.com"),
        ("email_verified", True),
        ("status", "active"),
        ("roles", ["admin"]),
        ("version", 9),
        ("id", "0190b2c2-0000-7000-8000-000000000000"),
        ("mfa_enabled", True),
        ("last_login_at", "2026-01-01T00:00:00.000Z"),
        ("permissions", ["users:read"]),
        ("password", PASSWORD),
        ("phone", "12345"),
        ("locale", "not a locale"),
        ("picture", "javascript:alert(1)"),
        ("picture", "http://example.com/a.png"),
        ("picture", "https://ada@example.com/a.png"),
        ("picture", 'https://example.com/"onerror=alert(1)'),
        ("picture", "https://example.com/a b.png"),
        ("display_name", "Ada\u202egnp.exe"),
        ("given_name", "Ada\u2066"),
        ("family_name", "Love\u2028lace"),
        ("display_name", "\u200d\u200c"),
        ("given_name", "\u3164"),
        ("attributes", ["a"]),
        ("attributes", {"a": "x" * 20000}),
        ("attributes", {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": 1}}}}}}}}}),
        ("attributes", {"a": "\u0000"}),
        ("display_name", ["a"]),
        ("username", "x"),
    ],
)
def test_what_may_not_be_set_is_refused_and_nothing_changes(
    people: People, client: Client, field: str, value: object
) -> None:
    """Regressions of Zitadel CVE-2026-27946 and of mass assignment: flags and ids are not input."""
    token = people.logged_in().access
    before = client.request("GET", "/v1/users/me", token=token).body
    answer = client.request("PATCH", "/v1/users/me", json={field: value}, token=token)
    assert answer.status == 422, answer.body
    assert answer.json()["errors"][0]["pointer"].startswith(f"/{field}")
    assert client.request("GET", "/v1/users/me", token=token).body == before


def test_a_username_in_use_is_refused(people: People, client: Client) -> None:
    name = f"n{secrets.token_hex(6)}"
    people.verified(username=name)
    token = people.logged_in().access
    answer = client.request("PATCH", "/v1/users/me", json={"username": name.upper()}, token=token)
    assert (answer.status, answer.problem) == (409, "username-taken")
    mine = f"m{secrets.token_hex(6)}"
    answer = client.request("PATCH", "/v1/users/me", json={"username": mine}, token=token)
    assert answer.json()["username"] == mine


def test_leaving_closes_the_account_and_asks_for_erasure(people: People, client: Client) -> None:
    """Deactivated at once, erased after the grace period, told by mail; the address stays taken."""
    session = people.logged_in()
    answer = client.request("DELETE", "/v1/users/me", token=session.access)
    assert answer.status == 202
    assert answer.json()["status"] == "deactivated"
    assert answer.json()["erasure_due_at"] > "2026"
    login = {"identifier": session.person.email, "password": PASSWORD}
    assert client.request("POST", "/v1/auth/login", json=login).status == 401
    assert not any("token" in link for link in people.mailbox.last(session.person.email).links)


def test_a_changed_password_is_the_only_one_that_works(people: People, client: Client) -> None:
    session = people.logged_in()
    change = {"current_password": PASSWORD, "new_password": "an entirely different sentence"}
    answer = client.request("POST", "/v1/users/me/password", json=change, token=session.access)
    assert answer.status == 204
    old = {"identifier": session.person.email, "password": PASSWORD}
    assert client.request("POST", "/v1/auth/login", json=old).status == 401
    new = {"identifier": session.person.email, "password": "an entirely different sentence"}
    assert client.request("POST", "/v1/auth/login", json=new).status == 200
    assert "password" in people.mailbox.last(session.person.email).subject.lower()


@pytest.mark.parametrize(
    ("current", "new", "pointer"),
    [
        ("this is not the password", "an entirely different sentence", "/current_password"),
        (PASSWORD, "short", "/new_password"),
        (PASSWORD, PASSWORD, "/new_password"),
        (PASSWORD, "their email", "/new_password"),
    ],
)
def test_a_refused_password_change_changes_nothing(
    people: People, client: Client, current: str, new: str, pointer: str
) -> None:
    session = people.logged_in()
    new = session.person.email if new == "their email" else new
    body = {"current_password": current, "new_password": new}
    answer = client.request("POST", "/v1/users/me/password", json=body, token=session.access)
    assert answer.status == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert client.request("GET", "/v1/users/me", token=session.access).status == 200
    people.log_in(session.person)


def test_guessing_the_current_password_is_throttled(people: People, client: Client) -> None:
    """A stolen access token is no way to find the password out."""
    session = people.logged_in()
    body = {"current_password": "not it at all, sorry", "new_password": "an unused new sentence"}
    answers = [
        client.request("POST", "/v1/users/me/password", json=body, token=session.access).status
        for _ in range(11)
    ]
    assert answers == [422] * 10 + [429]


def test_names_of_all_scripts_come_back_as_they_were_written(
    people: People, client: Client
) -> None:
    """Joiners included, without which Persian and families of emoji are spelt wrong."""
    token = people.logged_in().access
    names = {
        "display_name": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u0645\u06cc\u200c\u062e\u0648",
        "given_name": "\u05d3\u05d5\u05d3\u200f",
        "family_name": "O\u2019Connor-\u5c71\u7530",
        "picture": "https://cdn.example.com:8443/a/b%20c.png?size=64&v=2#top",
    }
    answer = client.request("PATCH", "/v1/users/me", json=names, token=token)
    assert answer.status == 200, answer.body
    assert {name: answer.json()[name] for name in names} == names
