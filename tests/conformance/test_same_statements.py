"""What a request costs: the same for every kind of account, and committed before its answer.

The time of an answer tells no more than these do, and they can be compared exactly; tests/timing
measures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest
from starlette.types import Message, Receive, Scope, Send

from core.bootstrap import build_core
from core.config import Settings
from core.ports.security import HashJob
from handler.http.app import Application, create_app
from tests.support.clients import random_address
from tests.support.environment import service_environment
from tests.support.hashers import InlineHasher
from tests.support.http_accounts import bearer
from tests.support.http_probe import Headers, Reply, answer_json
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, proof, random_email
from tests.support.storage import query
from tests.support.wire import Wire

T = TypeVar("T")

WRONG = "this is not the password"
MERGE_PATCH = [("content-type", "application/merge-patch+json")]
# What is left of a statement without its values is its kind.
_VALUE = re.compile(r"E?'(?:[^']|'')*'(?:::\w+)?|\b(?:NULL|\d+)\b")


@dataclass
class CountedHasher(InlineHasher):
    """Counts what it computes."""

    hashes: int = 0

    def submit(self, job: HashJob[T], *, caller: str) -> Future[T]:
        self.hashes += 1
        return super().submit(job, caller=caller)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One request: its status, the hashes it took, and the kind of each statement in order."""

    status: int
    hashes: int
    before_answer: list[str]
    after_answer: list[str]


class Service:
    """The application in this process, behind a wire to the database."""

    def __init__(self, app: Application, wire: Wire, hasher: CountedHasher) -> None:
        self._app = app
        self._wire = wire
        self._hasher = hasher
        self._answered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answered = len(self._wire.queries)
            await send(message)

        await self._app(scope, receive, watch)

    def ask(
        self, path: str, body: object, *, method: str = "POST", headers: Headers = ()
    ) -> tuple[Reply, Cost]:
        sent, hashes = len(self._wire.queries), self._hasher.hashes
        reply = answer_json(self, method, path, body, headers=headers)
        kinds = [_VALUE.sub("?", sql) for sql in self._wire.queries[sent:]]
        answered = self._answered - sent
        return reply, Cost(
            status=reply.status,
            hashes=self._hasher.hashes - hashes,
            before_answer=kinds[:answered],
            after_answer=kinds[answered:],
        )


@pytest.fixture(scope="module")
def service(database_url: str, mail_folder: Path) -> Iterator[Service]:
    with closing(Wire(database_url)) as wire:
        settings = Settings.from_environ(service_environment(wire.url, mail_folder))
        # All requests come from one address here.
        core = build_core(replace(settings, limit_address_per_minute=0))
        hasher = CountedHasher(core.hasher)
        with closing(core):
            core = replace(
                core,
                hasher=hasher,
                sign_ups=replace(core.sign_ups, hasher=hasher),
                verification=replace(core.verification, hasher=hasher),
                authentication=replace(core.authentication, hasher=hasher),
                passwords=replace(core.passwords, hasher=hasher),
            )
            yield Service(create_app(core), wire, hasher)


def name_of(email: str) -> str:
    return email.partition("@")[0]


def sign_up(service: Service) -> str:
    email = random_email()
    body = {"email": email, "password": PASSWORD, "username": name_of(email)}
    assert service.ask("/v1/auth/register", body)[0].status == 202
    return email


def verified(service: Service, mailbox: Mailbox) -> str:
    email = sign_up(service)
    code = proof(mailbox.last(email).token)
    # Elsewhere: the owner's own addresses have fewer counters.
    elsewhere = [("x-forwarded-for", random_address())]
    reply, _ = service.ask("/v1/auth/verify-email", code, headers=elsewhere)
    assert reply.status == 200
    return email


REQUESTS: dict[str, tuple[str, Callable[[str], object]]] = {
    "login": ("/v1/auth/login", lambda email: {"identifier": email, "password": WRONG}),
    "login by name": (
        "/v1/auth/login",
        lambda email: {"identifier": name_of(email), "password": WRONG},
    ),
    "register": ("/v1/auth/register", lambda email: {"email": email, "password": PASSWORD}),
    "forgot": ("/v1/auth/password/forgot", lambda email: {"email": email}),
    "resend": ("/v1/auth/verify-email/resend", lambda email: {"email": email}),
}


@pytest.mark.parametrize("request_name", REQUESTS)
def test_every_kind_of_account_costs_the_same(
    service: Service, mailbox: Mailbox, superuser_url: str, request_name: str
) -> None:
    """Nothing is looked up, written or hashed for known accounts only, or for unknown ones only."""
    path, body = REQUESTS[request_name]
    emails = {
        "unknown": random_email(),
        "active": verified(service, mailbox),
        "suspended": verified(service, mailbox),
        "unverified": sign_up(service),
    }
    suspend = "UPDATE users SET status = 'suspended' WHERE email_normalised = %s"
    query(superuser_url, suspend, (emails["suspended"],))
    costs = {kind: service.ask(path, body(email))[1] for kind, email in emails.items()}
    assert costs["unknown"].status in {202, 401}
    assert costs["unknown"].before_answer[-1] == "COMMIT"
    for kind, cost in costs.items():
        assert cost == costs["unknown"], kind


def test_a_login_that_is_throttled_costs_no_hash(service: Service) -> None:
    """A flood of guesses at one account takes neither processor nor memory."""
    body = {"identifier": random_email(), "password": WRONG}
    costs = [service.ask("/v1/auth/login", body)[1] for _ in range(11)]
    assert [(cost.status, cost.hashes) for cost in costs] == [(401, 2)] * 10 + [(429, 0)]


def test_the_commit_comes_before_the_answer(service: Service, mailbox: Mailbox) -> None:
    """What a client was told stays true, whatever happens to the process after the first byte."""

    def told(path: str, body: object, method: str = "POST", headers: Headers = ()) -> Reply:
        reply, cost = service.ask(path, body, method=method, headers=headers)
        assert reply.status < 300, (path, reply.body)
        assert cost.before_answer[-1] == "COMMIT", path
        assert cost.after_answer == [], path
        return reply

    email, secret = random_email(), "an entirely different sentence"
    told("/v1/auth/register", {"email": email, "password": PASSWORD})
    told("/v1/auth/verify-email/resend", {"email": email})
    told("/v1/auth/verify-email", proof(mailbox.last(email).token))
    told("/v1/auth/password/forgot", {"email": email})
    token = mailbox.last(email).token
    told("/v1/auth/password/reset", {"token": token, "password": secret})

    login = {"identifier": email, "password": secret}
    first, second, third = (told("/v1/auth/login", login).json() for _ in range(3))
    told("/v1/auth/refresh", {"refresh_token": first["refresh_token"]})
    me, signed = "/v1/users/me", bearer(first["access_token"])
    told(me, {"display_name": "Ada"}, "PATCH", [*signed, *MERGE_PATCH])
    told(f"{me}/sessions/{second['session_id']}", b"", "DELETE", signed)
    told("/v1/auth/logout", b"", headers=bearer(third["access_token"]))
    change = {"current_password": secret, "new_password": PASSWORD}
    told(f"{me}/password", change, headers=signed)

    for path, method in (("/v1/auth/logout-all", "POST"), (me, "DELETE")):
        again = told("/v1/auth/login", login | {"password": PASSWORD}).json()
        told(path, b"", method, bearer(again["access_token"]))
