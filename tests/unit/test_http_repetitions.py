"""Requests that come once more by mistake."""

from __future__ import annotations

import secrets

import orjson
import pytest

from core.bootstrap import Core
from handler.http.app import Application
from tests.support.http_accounts import unlimited_app
from tests.support.http_probe import Reply, answer_json
from tests.support.people import PASSWORD, random_email


@pytest.fixture(scope="module")
def app(core: Core) -> Application:
    return unlimited_app(core)


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
