"""Whatever happens to an account stands in the audit trail, with the request that did it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.clients import Answer, Client
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, People, proof, random_email
from tests.support.staff import Staff
from tests.support.storage import OF_REQUEST, query

NEW = "an entirely different sentence"
ME = "/v1/users/me"
PAYLOADS = f"SELECT payload FROM audit_payloads WHERE event_{OF_REQUEST} ORDER BY event_id"
EVENTS = (
    "SELECT type, coalesce(actor::text, ''), coalesce(subject::text, '') FROM audit_events"
    f" WHERE {OF_REQUEST} ORDER BY type"
)


@dataclass(frozen=True)
class Done:
    """An answer, and the events of its request: each its type, its actor and its subject; and what
    they tell besides."""

    answer: Answer
    events: list[tuple[Any, ...]]
    payloads: list[dict[str, Any]]


@dataclass
class Story:
    client: Client
    superuser_url: str

    def post(self, path: str, body: object = ..., **sent: Any) -> Done:
        return self.send("POST", path, json=body, **sent)

    def send(self, method: str, path: str, **sent: Any) -> Done:
        request_id = secrets.token_hex(8)
        headers = [("x-request-id", request_id)]
        answer = self.client.request(method, path, headers=headers, **sent)
        events = query(self.superuser_url, EVENTS, (request_id,))
        payloads = [row[0] for row in query(self.superuser_url, PAYLOADS, (request_id,))]
        return Done(answer, events, payloads)

    def log_in(self, email: str, password: str) -> Done:
        return self.post("/v1/auth/login", {"identifier": email, "password": password})

    def token(self, email: str, password: str) -> str:
        return str(self.log_in(email, password).answer.json()["access_token"])


@pytest.fixture
def story(client: Client, superuser_url: str) -> Story:
    return Story(client, superuser_url)


def test_each_step_of_an_account_is_in_the_trail(story: Story, mailbox: Mailbox) -> None:
    """From signing up to leaving. Before somebody is known, there is nobody to name."""
    email = random_email()
    signed_up = story.post("/v1/auth/register", {"email": email, "password": PASSWORD})
    assert signed_up.events == [("registration.requested", "", "")]
    resent = story.post("/v1/auth/verify-email/resend", {"email": email})
    assert resent.events == [("email.verification_requested", "", "")]
    verified = story.post("/v1/auth/verify-email", proof(mailbox.last(email).token))
    user_id = verified.answer.json()["user_id"]

    def own(*types: str) -> list[tuple[str, str, str]]:
        return [(each, user_id, user_id) for each in types]

    assert verified.events == own("email.verified", "user.created")
    assert story.log_in(email, NEW).events == [("login.failed", "", user_id)]
    first = story.log_in(email, PASSWORD)
    assert first.events == own("login.succeeded")
    tokens = first.answer.json()
    assert story.post("/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]}).events == []

    token = tokens["access_token"]
    renamed = story.send("PATCH", ME, json={"display_name": "Ada"}, token=token)
    assert renamed.events == own("user.updated")
    other = story.log_in(email, PASSWORD).answer.json()["session_id"]
    ended = story.send("DELETE", f"{ME}/sessions/{other}", token=token)
    assert ended.events == own("session.revoked")
    assert story.post("/v1/auth/logout", token=token).events == own("session.revoked")

    token = story.token(email, PASSWORD)
    guess = {"current_password": NEW, "new_password": "yet another sentence of mine"}
    failed = story.post(f"{ME}/password", guess, token=token)
    assert failed.events == own("password.change_failed")
    change = {"current_password": PASSWORD, "new_password": NEW}
    assert story.post(f"{ME}/password", change, token=token).events == own("password.changed")

    forgotten = story.post("/v1/auth/password/forgot", {"email": email})
    assert forgotten.events == [("password.reset_requested", "", "")]
    reset = {"token": mailbox.last(email).token, "password": PASSWORD}
    assert story.post("/v1/auth/password/reset", reset).events == own("password.reset")

    token = story.token(email, PASSWORD)
    assert story.post("/v1/auth/logout-all", token=token).events == own("session.revoked")
    token = story.token(email, PASSWORD)
    left = story.send("DELETE", ME, token=token)
    assert left.events == own("erasure.requested", "user.deactivated")


def test_the_trail_names_the_sessions_that_ended(
    story: Story, people: People, staff: Staff
) -> None:
    """And why: by logout, by oneself, all at once, by an administrator."""
    person = people.verified()

    def session() -> dict[str, str]:
        tokens: dict[str, str] = story.log_in(person.email, PASSWORD).answer.json()
        return tokens

    def told(done: Done) -> tuple[set[str], str]:
        (payload,) = done.payloads
        return set(payload["session_ids"]), payload["reason"]

    def ids(*sessions: dict[str, str]) -> set[str]:
        return {each["session_id"] for each in sessions}

    revoke_all = f"/v1/users/{person.user_id}/revoke-sessions"
    one, other = session(), session()
    ended = story.send("DELETE", f"{ME}/sessions/{other['session_id']}", token=one["access_token"])
    assert told(ended) == (ids(other), "user_revoked")
    left = story.post("/v1/auth/logout", token=one["access_token"])
    assert told(left) == (ids(one), "logout")
    both = session(), session()
    everywhere = story.post("/v1/auth/logout-all", token=both[0]["access_token"])
    assert told(everywhere) == (ids(*both), "logout_all")
    both = session(), session()
    revoked = story.post(revoke_all, token=staff.admin.token)
    assert told(revoked) == (ids(*both), "revoked_by_admin")


def test_the_first_refusal_of_a_flood_is_in_the_trail(story: Story) -> None:
    """One entry, not one a guess: the trail is no way to fill the disk."""
    email = random_email()
    attempts = [story.log_in(email, NEW) for _ in range(12)]
    assert [attempt.answer.status for attempt in attempts] == [401] * 10 + [429] * 2
    types = [[event[0] for event in attempt.events] for attempt in attempts]
    assert types == [["login.failed"]] * 10 + [["login.throttled"], []]
