"""Accounts made the way people make them: through the API and a mail."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from tests.support.clients import Answer, Client
from tests.support.mailbox import Mailbox

PASSWORD = "correct horse battery staple"


def random_email() -> str:
    return f"person-{secrets.token_hex(8)}@example.com"


def proof(token: str, password: str = PASSWORD) -> dict[str, str]:
    """What turns a sign-up into an account: the code from a mail, and the sign-up's password."""
    return {"token": token, "password": password}


@dataclass(frozen=True)
class Person:
    user_id: str
    email: str
    password: str


@dataclass(frozen=True)
class LoggedIn:
    person: Person
    access: str
    refresh: str
    session_id: str


class People:
    def __init__(self, client: Client, mailbox: Mailbox) -> None:
        self.client = client
        self.mailbox = mailbox

    def register(self, email: str | None = None, **fields: Any) -> tuple[str, Answer]:
        email = email or random_email()
        body = {"email": email, "password": PASSWORD, **fields}
        return email, self.client.request("POST", "/v1/auth/register", json=body)

    def verified(self, email: str | None = None, **fields: Any) -> Person:
        """Registers, follows the link in the mail, and returns the active account."""
        email, answer = self.register(email, **fields)
        assert answer.status == 202, answer.body
        password = fields.get("password", PASSWORD)
        body = proof(self.mailbox.last(email).token, password)
        answer = self.client.request("POST", "/v1/auth/verify-email", json=body)
        assert answer.status == 200, answer.body
        return Person(answer.json()["user_id"], email, password)

    def log_in(self, person: Person, **headers: str) -> LoggedIn:
        answer = self.client.request(
            "POST",
            "/v1/auth/login",
            json={"identifier": person.email, "password": person.password},
            headers=[(name.replace("_", "-"), value) for name, value in headers.items()],
        )
        assert answer.status == 200, answer.body
        body = answer.json()
        return LoggedIn(person, body["access_token"], body["refresh_token"], body["session_id"])

    def logged_in(self, **fields: Any) -> LoggedIn:
        return self.log_in(self.verified(**fields))
