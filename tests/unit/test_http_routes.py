"""The routes over the real core: what holds for all of them."""

from __future__ import annotations

import secrets
from typing import Any

import psycopg2
import pytest
from fastapi import APIRouter
from pydantic import TypeAdapter

from core.bootstrap import Core
from handler.http.app import Application, create_app
from handler.http.routes.sessions import SessionItem, SessionPage
from handler.http.users import UserBody
from tests.support.http_accounts import (
    Account,
    bearer,
    log_in,
    new_account,
    operations,
    unlimited_app,
)
from tests.support.http_probe import answer, answer_json
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD


@pytest.fixture(scope="module")
def app(core: Core) -> Application:
    return unlimited_app(core)


@pytest.fixture(scope="module")
def document(app: Application) -> dict[str, Any]:
    return app.openapi()


NOBODY = "0198c0de-0000-7000-8000-000000000000"
SMALLEST_BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/v1/users/me/password"): {"current_password": PASSWORD, "new_password": PASSWORD},
    ("POST", "/v1/users"): {"email": "ada@example.com"},
    ("POST", "/v1/roles"): {"name": "billing", "permissions": []},
}


@pytest.fixture
def account(app: Application, mailbox: Mailbox) -> Account:
    return new_account(app, mailbox)


def test_what_needs_a_token_is_refused_without_one(
    app: Application, document: dict[str, Any]
) -> None:
    """Each route that the document marks; an endpoint that forgot to ask would answer."""
    guarded = [
        (method, path)
        for method, path, operation in operations(document)
        if operation.get("security")
    ]
    assert len(guarded) == 28
    for method, template in guarded:
        path = template.format(user_id=NOBODY, session_id=NOBODY, name="admin")
        for headers in ([], bearer("not.a.token")):
            body = SMALLEST_BODIES.get((method, template), {})
            reply = answer_json(app, method, path, body, headers=headers)
            assert (reply.status, reply.problem) == (401, "unauthenticated"), path
            assert (reply.header("www-authenticate") or "").startswith("Bearer realm=")


def test_all_but_authentication_and_operations_needs_a_token(document: dict[str, Any]) -> None:
    listed = list(operations(document))
    assert len(listed) > 30
    for _, path, operation in listed:
        open_to_all = not path.startswith("/v1/") or path.startswith("/v1/auth/")
        needs_token = not open_to_all or path.startswith("/v1/auth/logout")
        assert bool(operation.get("security")) == needs_token, path


def test_what_sends_or_creates_takes_an_idempotency_key(document: dict[str, Any]) -> None:
    keyed = {
        path
        for _, path, operation in operations(document)
        for parameter in operation.get("parameters", ())
        if parameter["name"] == "Idempotency-Key"
    }
    assert keyed == {
        "/v1/auth/register",
        "/v1/auth/verify-email",
        "/v1/auth/verify-email/resend",
        "/v1/auth/password/forgot",
        "/v1/auth/password/reset",
        "/v1/users",
        "/v1/users/{user_id}/invite",
        "/v1/users/{user_id}/suspend",
        "/v1/users/{user_id}/reactivate",
        "/v1/users/{user_id}/deactivate",
        "/v1/users/{user_id}/force-password-reset",
        "/v1/users/{user_id}/revoke-sessions",
        "/v1/roles",
    }


def test_bodies_with_faults_are_told_each_fault_and_nothing_of_themselves(
    app: Application, document: dict[str, Any]
) -> None:
    """Unknown fields are faults; what was sent is not repeated."""
    asked = []
    for method, path, operation in operations(document):
        if "requestBody" not in operation or operation.get("security"):
            continue
        secret = "a-secret-of-mine"
        reply = answer_json(app, method, path, {"password": [secret], "x/~": secret})
        assert (reply.status, reply.problem) == (422, "invalid-input"), path
        pointers = [error["pointer"] for error in reply.json()["errors"]]
        assert "/x~1~0" in pointers
        assert secret not in reply.body.decode()
        asked.append(path)
    assert {"/v1/auth/register", "/v1/auth/login", "/v1/auth/password/reset"} <= set(asked)


def test_an_address_has_at_most_254_characters(app: Application) -> None:
    """The schema allows more, as it counts what is typed."""
    domain = ".".join(secrets.token_hex(30) for _ in range(3))
    longest = f"{'a' * 64}@{domain}.{'c' * 6}"
    fits, refused = (
        answer_json(app, "POST", "/v1/auth/register", {"email": email, "password": PASSWORD})
        for email in (longest, longest + "c")
    )
    assert (fits.status, refused.status) == (202, 422)
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/email"]


def test_the_list_of_faults_is_bounded(app: Application) -> None:
    """A small request gets no large answer."""
    body = {"a" * 300 + str(n): 1 for n in range(50)}
    reply = answer_json(app, "POST", "/v1/auth/login", body)
    assert reply.status == 422
    assert len(reply.json()["errors"]) == 20
    assert len(reply.body) < 8192


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 422),
        ("application/json; charset=utf-8", 422),
        ('Application/JSON; charset="UTF-8"', 422),
        ("application/json; charset=latin-1", 415),
        ("application/merge-patch+json", 415),
        ("text/json", 415),
        ("multipart/form-data; boundary=a", 415),
        ("", 415),
    ],
)
def test_a_body_is_json_by_its_own_word(app: Application, content_type: str, status: int) -> None:
    headers = [("content-type", content_type)]
    reply = answer_json(app, "POST", "/v1/auth/login", {}, headers=headers)
    assert reply.status == status


def test_an_empty_body_and_half_a_body_are_refused(app: Application) -> None:
    assert answer_json(app, "POST", "/v1/auth/login", b"").problem == "malformed-json"
    headers = [("content-type", "application/json"), ("content-length", "100")]
    chunks = [b'{"identifier":']
    reply = answer(app, "POST", "/v1/auth/login", headers=headers, chunks=chunks, gone=True)
    assert reply.problem == "bad-request"


def test_an_endpoint_that_fails_is_a_problem_and_one_log_line(
    core: Core, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing of what went wrong is told; the log has it, once."""
    router = APIRouter()

    @router.get("/broken")
    def broken() -> None:
        raise RuntimeError("password=secret")

    reply = answer(create_app(core, routers=[router]), "GET", "/broken")
    assert (reply.status, reply.problem) == (500, "internal-error")
    assert b"secret" not in reply.body
    failures = [record for record in caplog.records if record.exc_info]
    assert [record.getMessage() for record in failures] == ["a request failed"]


def test_a_resource_names_all_its_methods(app: Application) -> None:
    """RFC 9110 section 15.5.6, though each method is a route of its own."""
    reply = answer(app, "PUT", "/v1/users/me")
    assert (reply.status, reply.problem) == (405, "method-not-allowed")
    assert reply.header("allow") == "DELETE, GET, HEAD, PATCH"
    assert answer(app, "GET", "/v1/auth/login").header("allow") == "POST"


def test_answers_are_what_the_document_says(app: Application, account: Account) -> None:
    """Nothing is missing in them, and nothing is added."""
    me = answer(app, "GET", "/v1/users/me", headers=account.bearer)
    assert list(me.json()) == list(UserBody.__annotations__)
    TypeAdapter(UserBody).validate_json(me.body, strict=True)
    page = answer(app, "GET", "/v1/users/me/sessions", headers=account.bearer)
    TypeAdapter(SessionPage).validate_json(page.body, strict=True)
    assert list(page.json()["data"][0]) == list(SessionItem.__annotations__)


def test_a_user_agent_is_kept_short_and_printable(app: Application, account: Account) -> None:
    log_in(app, account.email, headers=[("user-agent", "a\x9b\tb" + "c" * 500)])
    listed = answer(app, "GET", "/v1/users/me/sessions", headers=account.bearer).json()["data"]
    assert listed[0]["user_agent"] == "ab" + "c" * 254


def test_a_page_leads_to_the_next(app: Application, account: Account) -> None:
    """The link has limit and cursor; the last page has none."""
    for _ in range(2):
        log_in(app, account.email)
    path, seen = "/v1/users/me/sessions?limit=2", []
    while path:
        reply = answer(app, "GET", path, headers=account.bearer)
        seen += [item["id"] for item in reply.json()["data"]]
        link = reply.header("link")
        assert (link is None) == (reply.json()["next_cursor"] is None)
        path = link.removeprefix("<").removesuffix('>; rel="next"') if link else ""
    assert len(seen) == len(set(seen)) == 3


def test_a_cursor_of_somebody_else_is_refused(
    app: Application, mailbox: Mailbox, account: Account
) -> None:
    """It is bound to the list it came from."""
    log_in(app, account.email)
    first = answer(app, "GET", "/v1/users/me/sessions?limit=1", headers=account.bearer).json()
    stranger = new_account(app, mailbox)
    path = f"/v1/users/me/sessions?limit=1&cursor={first['next_cursor']}"
    assert answer(app, "GET", path, headers=stranger.bearer).problem == "invalid-cursor"
    assert answer(app, "GET", path, headers=account.bearer).status == 200


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "/query/limit"),
        ("limit=201", "/query/limit"),
        ("limit=x", "/query/limit"),
        ("limit=1&limit=2", "/query/limit"),
        ("cursor=a&cursor=a", "/query/cursor"),
    ],
)
def test_a_bad_page_is_told_which_parameter(
    app: Application, account: Account, query: str, pointer: str
) -> None:
    reply = answer(app, "GET", f"/v1/users/me/sessions?{query}", headers=account.bearer)
    assert reply.status == 422
    assert [error["pointer"] for error in reply.json()["errors"]] == [pointer]


def test_an_id_that_is_none_is_not_found(app: Application, account: Account) -> None:
    reply = answer(app, "DELETE", "/v1/users/me/sessions/nothing", headers=account.bearer)
    assert (reply.status, reply.problem) == (404, "not-found")


def test_a_stale_if_match_keeps_an_account_from_being_closed(
    app: Application, account: Account
) -> None:
    headers = [*account.bearer, ("if-match", '"7"')]
    assert answer(app, "DELETE", "/v1/users/me", headers=headers).problem == "version-mismatch"
    headers = [*account.bearer, ("if-match", "7")]
    assert answer(app, "DELETE", "/v1/users/me", headers=headers).problem == "bad-request"
    assert answer(app, "GET", "/v1/users/me", headers=account.bearer).status == 200


def test_a_body_where_none_is_expected_is_read_and_ignored(
    app: Application, account: Account
) -> None:
    """The connection stays usable for the next request."""
    reply = answer_json(app, "POST", "/v1/auth/logout", {"a": 1}, headers=account.bearer)
    assert (reply.status, reply.body, reply.header("connection")) == (204, b"", None)
    assert reply.header("content-type") is None


def test_a_temporary_password_allows_only_its_change(
    app: Application, account: Account, superuser_url: str
) -> None:
    """Whoever printed or mailed it knows it: nothing else can be done with it."""
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "UPDATE password_credentials SET temporary = true FROM users "
            "WHERE users.id = user_id AND email = %s",
            (account.email,),
        )
    connection.close()
    reply = answer(app, "GET", "/v1/users/me", headers=account.bearer)
    assert (reply.status, reply.problem) == (403, "password-change-required")
    body = {"current_password": PASSWORD, "new_password": "an entirely different sentence"}
    reply = answer_json(app, "POST", "/v1/users/me/password", body, headers=account.bearer)
    assert reply.status == 204
