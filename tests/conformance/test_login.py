"""Logging in: what is told, what is not, and how guessing ends."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import jwt
import psycopg2
import pytest

from core.bootstrap import Core
from core.domain.requests import RequestContext
from tests.support.clients import Answer, Client, random_address
from tests.support.people import PASSWORD, People, Person, random_email

VARYING = {"x-request-id", "traceparent", "date", "ratelimit", "content-length"}


def log_in(client: Client, identifier: str, password: str = PASSWORD) -> Answer:
    body = {"identifier": identifier, "password": password}
    return client.request("POST", "/v1/auth/login", json=body)


def set_status(superuser_url: str, user_id: str, status: str) -> None:
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("UPDATE users SET status = %s WHERE id = %s", (status, user_id))
    connection.close()


def told(answer: Answer) -> tuple[Any, ...]:
    """Everything that an attacker can compare, but ids and times."""
    body = {key: value for key, value in answer.json().items() if key != "request_id"}
    headers = sorted(pair for pair in answer.headers if pair[0] not in VARYING)
    return answer.status, body, headers


def test_tokens_have_the_documented_shape(people: People) -> None:
    person = people.verified()
    answer = log_in(people.client, person.email)
    assert answer.status == 200
    body = answer.json()
    assert set(body) == {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "session_id",
    }
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 600)
    assert answer.header("cache-control") == "no-store"


def test_unknown_wrong_and_suspended_are_told_apart_by_nothing(
    people: People, superuser_url: str
) -> None:
    """The same status, body and headers, so that logging in is no oracle for accounts."""
    person, suspended = people.verified(), people.verified()
    set_status(superuser_url, suspended.user_id, "suspended")
    unknown = log_in(people.client, random_email())
    wrong = log_in(people.client, person.email, "this is not the password")
    locked = log_in(people.client, suspended.email)
    nameless = log_in(people.client, f"name{secrets.token_hex(4)}")
    assert unknown.status == 401
    assert told(unknown) == told(wrong) == told(locked) == told(nameless)


@pytest.mark.parametrize("name", ["@", "ada@", "@example.com", "a b@c", "ada@example..com"])
def test_what_is_neither_address_nor_username_is_nobody(people: People, name: str) -> None:
    answer = log_in(people.client, name)
    assert (answer.status, answer.problem) == (401, "invalid-credentials")


def test_unverified_is_told_only_after_the_right_password(people: People) -> None:
    email, _ = people.register()
    right = log_in(people.client, email)
    assert (right.status, right.problem) == (403, "email-not-verified")
    wrong = log_in(people.client, email, "this is not the password")
    assert (wrong.status, wrong.problem) == (401, "invalid-credentials")


def test_signing_up_again_does_not_tell_who_has_an_account(people: People) -> None:
    """Whoever signs up with any address is told at a login that it is not verified, no more."""
    mine = "a stranger's own passphrase"
    known, unknown = people.verified().email, random_email()
    answers = []
    for email in (known, unknown):
        people.register(email, password=mine)
        answers.append(log_in(people.client, email, mine))
    assert (answers[0].status, answers[0].problem) == (403, "email-not-verified")
    assert told(answers[0]) == told(answers[1])


def test_signing_up_again_gives_no_guesses_back(people: People) -> None:
    """Else the limit would tell who has an account."""
    known, unknown = people.verified().email, random_email()
    for email in (known, unknown):
        client = people.client.from_address(random_address())
        for _ in range(10):
            assert log_in(client, email, "this is not the password").status == 401
        people.register(email)
        assert log_in(client, email, "this is not the password").status == 429, email


def test_a_password_is_the_same_composed_or_decomposed(people: People) -> None:
    """NFC: one person's keyboard types é as one code point, another's as two."""
    person = people.verified(password="caf\u00e9 caf\u00e9 caf\u00e9 caf\u00e9")
    assert (
        log_in(people.client, person.email, "cafe\u0301 cafe\u0301 cafe\u0301 cafe\u0301").status
        == 200
    )


def test_guessing_ends_before_hashing(people: People) -> None:
    """After ten failures from one address the eleventh is not tried, right or wrong."""
    person = people.verified()
    for _ in range(10):
        assert log_in(people.client, person.email, "this is not the password").status == 401
    answer = log_in(people.client, person.email)
    assert (answer.status, answer.problem) == (429, "too-many-requests")
    assert 0 < int(answer.header("retry-after") or 0) <= 900


@pytest.mark.slow
def test_an_attack_never_locks_the_owner_out(people: People, client: Client) -> None:
    """Where the owner has logged in before stays open, whatever strangers do."""
    person = people.verified()
    people.log_in(person)
    for _ in range(11):
        stranger = client.from_address(random_address())
        for _ in range(10):
            log_in(stranger, person.email, "this is not the password")
    assert log_in(client.from_address(random_address()), person.email).status == 429
    assert log_in(client, person.email).status == 200


def test_one_counter_whichever_identifier_is_typed(people: People) -> None:
    """Regression of Authelia CVE-2025-24806: username and address share the failures."""
    name = f"n{secrets.token_hex(6)}"
    person = people.verified(username=name)
    for identifier in [name, person.email, name.upper(), person.email.upper(), name] * 2:
        assert log_in(people.client, identifier, "this is not the password").status == 401
    assert log_in(people.client, name).status == 429
    assert log_in(people.client, person.email).status == 429


def test_unknown_accounts_are_throttled_alike(client: Client) -> None:
    """A limit that only real accounts have would tell them apart."""
    email = random_email()
    answers = [log_in(client, email, "this is not the password") for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]


def test_a_session_of_ipv6_is_one_client_by_its_64(people: People, client: Client) -> None:
    """Regression of CVE-2026-45364: one subscriber has 2**64 addresses and many spellings."""
    person = people.verified()
    net = f"2001:db8:{secrets.randbelow(65536):x}:{secrets.randbelow(65536):x}"
    for host in range(10):
        stranger = client.from_address(f"{net}::{host + 1:x}")
        assert log_in(stranger, person.email, "this is not the password").status == 401
    spelled = client.from_address(f"{net}:0000:0000:0000:00ff".upper())
    assert log_in(spelled, person.email).status == 429


def test_a_site_of_ipv6_is_limited_as_a_whole(client: Client) -> None:
    """A /48 has 65,536 times a /64: together they get as many times what one gets as
    LIMIT_SITE_SHARE says."""
    site = f"2001:db8:{secrets.randbelow(65536):x}"

    def ask(net: int, path: str = "login") -> Answer:
        return client.from_address(f"{site}:{net:x}::1").request(
            "POST", f"/v1/auth/{path}", json={}
        )

    asked = [ask(net) for net in range(3) for _ in range(60)]
    assert {answer.status for answer in asked} == {422}
    assert asked[0].header("ratelimit") == '"address";r=59'
    assert asked[-1].header("ratelimit") == '"address";r=0'
    refused = ask(99)
    assert (refused.status, refused.problem) == (429, "too-many-requests")
    assert refused.header("ratelimit-policy") == '"address-site";q=180;w=60'
    assert 0 < int(refused.header("retry-after") or 0) <= 60
    assert ask(99, "password/forgot").status == 429
    # Other limits and other sites are others.
    assert ask(99, "refresh").status == 422
    elsewhere = client.from_address(f"2001:db8:{secrets.randbelow(65536):x}:{99:x}::1")
    assert elsewhere.request("POST", "/v1/auth/login", json={}).status == 422


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"identifier": "a@example.com"},
        {"identifier": "a@example.com", "password": ["a"]},
        {"identifier": {"$ne": None}, "password": {"$ne": None}},
        {"identifier": "a@example.com", "password": PASSWORD, "user_id": "1"},
        {"identifier": "a" * 5000, "password": PASSWORD},
        {"identifier": "a@example.com", "password": "a" * 5000},
        [],
        None,
        "text",
    ],
)
def test_bad_input_is_refused_and_nothing_is_tried(client: Client, body: object) -> None:
    answer = client.request("POST", "/v1/auth/login", json=body)
    assert answer.status == 422, answer.body
    assert answer.header("content-type") == "application/problem+json"


def test_last_login_changes_no_version(people: People) -> None:
    """A login must not make an ETag stale."""
    person: Person = people.verified()
    first = people.log_in(person)
    before = people.client.request("GET", "/v1/users/me", token=first.access)
    second = people.log_in(person)
    after = people.client.request("GET", "/v1/users/me", token=second.access)
    assert before.header("etag") == after.header("etag") == '"1"'
    assert after.json()["last_login_at"] >= before.json()["last_login_at"]


@dataclass(frozen=True)
class NewAdmin:
    """Somebody who was given a one-time password."""

    client: Client
    email: str
    password: str
    user_id: UUID

    def log_in(self) -> Answer:
        return log_in(self.client, self.email, self.password)


@pytest.fixture
def new_admin(core: Core, client: Client) -> NewAdmin:
    email = random_email()
    context = RequestContext(request_id="test")
    user_id, password = core.access.create_admin(context, email=email, username=None, password=None)
    assert password
    return NewAdmin(client, email, password, user_id)


def scope_of(tokens: Answer) -> str:
    assert tokens.status == 200
    claims = jwt.decode(tokens.json()["access_token"], options={"verify_signature": False})
    return str(claims["scope"])


def test_a_one_time_password_gives_no_scope(new_admin: NewAdmin) -> None:
    """Who verifies a token offline believes its scope. After the change it is that of the role."""
    client, tokens = new_admin.client, new_admin.log_in()
    assert scope_of(tokens) == ""
    body = {"refresh_token": tokens.json()["refresh_token"]}
    refreshed = client.request("POST", "/v1/auth/refresh", json=body)
    assert scope_of(refreshed) == ""
    chosen = "a sentence of the administrator"
    body = {"current_password": new_admin.password, "new_password": chosen}
    bearer = [("authorization", f"Bearer {refreshed.json()['access_token']}")]
    changed = client.request("POST", "/v1/users/me/password", json=body, headers=bearer)
    assert changed.status == 204
    assert "users:read" in scope_of(log_in(client, new_admin.email, chosen)).split(" ")


def test_a_one_time_password_ends(new_admin: NewAdmin, superuser_url: str) -> None:
    """A week later it opens nothing, and changes nothing with a session that it opened before."""
    bearer = [("authorization", f"Bearer {new_admin.log_in().json()['access_token']}")]
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE password_credentials SET changed_at = changed_at - interval '7 days'"
            " WHERE user_id = %s",
            (str(new_admin.user_id),),
        )
    connection.close()
    assert told(new_admin.log_in()) == told(log_in(new_admin.client, random_email()))
    body = {"current_password": new_admin.password, "new_password": "a sentence of somebody else"}
    late = new_admin.client.request("POST", "/v1/users/me/password", json=body, headers=bearer)
    assert (late.status, late.json()["errors"][0]["pointer"]) == (422, "/current_password")
