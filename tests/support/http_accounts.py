"""The application over the real core in this process, and accounts in it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from core.bootstrap import Core
from handler.http.app import Application, create_app
from tests.support.http_probe import Headers, answer_json
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, proof, random_email


@dataclass(frozen=True)
class Account:
    email: str
    token: str

    @property
    def bearer(self) -> Headers:
        return bearer(self.token)


def bearer(token: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {token}")]


def unlimited_app(core: Core) -> Application:
    """All its callers have one address, so that its limits are off."""
    settings = replace(
        core.settings,
        limit_address_per_minute=0,
        limit_refreshes_per_minute=0,
        limit_changes_per_minute=0,
    )
    return create_app(replace(core, settings=settings))


def new_account(app: Application, mailbox: Mailbox) -> Account:
    """Registered, verified and logged in."""
    email = random_email()
    answer_json(app, "POST", "/v1/auth/register", {"email": email, "password": PASSWORD})
    code = proof(mailbox.last(email).token)
    assert answer_json(app, "POST", "/v1/auth/verify-email", code).status == 200
    return Account(email, log_in(app, email))


def log_in(app: Application, email: str, *, headers: Headers = ()) -> str:
    """A new access token."""
    body = {"identifier": email, "password": PASSWORD}
    reply = answer_json(app, "POST", "/v1/auth/login", body, headers=headers)
    return str(reply.json()["access_token"])


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path with an id in it, and operation of an OpenAPI document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path.replace("{session_id}", secrets.token_hex(16)), operation
