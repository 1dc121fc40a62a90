"""Requests that come again: too often, or once more by mistake."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace

import orjson
import pytest

from core.bootstrap import Core, build_core
from handler.http.app import Application, create_app
from tests.support.http_accounts import bearer, operations, unlimited_app
from tests.support.http_probe import Reply, answer_json
from tests.support.people import PASSWORD, random_email


@pytest.fixture(scope="module")
def app(core: Core) -> Application:
    return unlimited_app(core)


def test_credential_routes_tell_their_limit_and_keep_it(core: Core) -> None:
    settings = replace(core.settings, limit_address_per_minute=2)
    strict = build_core(settings)
    app = create_app(strict)
    replies = [answer_json(app, "POST", "/v1/auth/login", {}) for _ in range(3)]
    assert [reply.status for reply in replies] == [422, 422, 429]
    assert [reply.header("ratelimit") for reply in replies[:2]] == [
        '"address";r=1',
        '"address";r=0',
    ]
    assert {reply.header("ratelimit-policy") for reply in replies} == {'"address";q=2;w=60'}
    assert re.fullmatch(r'"address";r=0;t=\d+', replies[2].header("ratelimit") or "")
    assert 0 < int(replies[2].header("retry-after") or 0) <= 60
    assert answer_json(app, "POST", "/v1/auth/register", {}).status == 429
    strict.close()


def test_every_route_that_takes_credentials_or_sends_mail_has_the_limit(core: Core) -> None:
    """One without it would be where the guessing goes on. A refresh token cannot be guessed."""
    strict = build_core(replace(core.settings, limit_address_per_minute=1))
    app = create_app(strict)
    answer_json(app, "POST", "/v1/auth/login", {})
    limited = {
        path
        for method, path, operation in operations(app.openapi())
        if "requestBody" in operation
        and answer_json(app, method, path, {}, headers=bearer("a.b.c")).status == 429
    }
    assert limited == {
        "/v1/auth/login",
        "/v1/auth/register",
        "/v1/auth/verify-email",
        "/v1/auth/verify-email/resend",
        "/v1/auth/password/forgot",
        "/v1/auth/password/reset",
        "/v1/users/me/password",
    }
    strict.close()


def test_without_a_limit_nothing_is_told(core: Core) -> None:
    free = build_core(replace(core.settings, limit_address_per_minute=0))
    reply = answer_json(create_app(free), "POST", "/v1/auth/login", {})
    assert (reply.status, reply.header("ratelimit")) == (422, None)
    free.close()


def register(app: Application, key: str, body: object, path: str = "register") -> Reply:
    headers = [("idempotency-key", key)]
    return answer_json(app, "POST", f"/v1/auth/{path}", body, headers=headers)


def test_a_repetition_gets_the_answer_of_the_first_time(app: Application) -> None:
    key, body = secrets.token_hex(8), {"email": random_email(), "password": PASSWORD}
    first, second = register(app, key, body), register(app, key, body)
    assert first.status == 202
    assert (first.body, first.header("content-type")) == (
        second.body,
        second.header("content-type"),
    )
    assert first.header("idempotency-replayed") is None
    assert second.header("idempotency-replayed") == "true"
    laid_out = orjson.dumps(dict(reversed(body.items())), option=orjson.OPT_INDENT_2)
    assert register(app, key, laid_out).header("idempotency-replayed") == "true"
    other = register(app, key, {**body, "password": "an entirely different sentence"})
    assert other.problem == "idempotency-key-reused"


@pytest.mark.parametrize("key", ["", "a" * 256, "two words", "ä", "\x7f"])
def test_an_unusable_key_is_refused(app: Application, key: str) -> None:
    reply = register(app, key, {"email": random_email()}, "password/forgot")
    assert reply.status == 422
    assert [error["pointer"] for error in reply.json()["errors"]] == ["/header/Idempotency-Key"]
