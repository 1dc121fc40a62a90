"""What people do while an administrator acts on them: one waits for the other, none in a circle.

A row that both need is held until both wait for it, so that their order is known.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.clients import Answer, Client
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, random_email
from tests.support.row_locks import held
from tests.support.server import ServerProcess
from tests.support.staff import Staff

HOLD_USER = "SELECT FROM users WHERE id = %(id)s FOR UPDATE"
HOLD_PASSWORD = "SELECT FROM password_credentials WHERE user_id = %(id)s FOR UPDATE"


@dataclass(frozen=True)
class Race:
    client: Client
    url: str

    def run(self, hold: str, user_id: str, *requests: tuple[str, str, Any]) -> list[Answer]:
        """The answers of all; each has waited for the row before the next was sent."""
        with ThreadPoolExecutor(len(requests)) as pool:
            waiting: list[Future[Answer]] = []
            with held(self.url, hold, of=user_id) as holding:
                for number, (method, path, sent) in enumerate(requests, start=1):
                    waiting.append(pool.submit(self.client.request, method, path, **sent))
                    holding.until(number)
            return [each.result() for each in waiting]


@pytest.fixture
def at_server(server: ServerProcess) -> Client:
    """A Lambda function does one thing at a time."""
    return server.client()


@pytest.fixture
def race(at_server: Client, superuser_url: str) -> Race:
    return Race(at_server, superuser_url)


def test_an_invitation_is_accepted_while_its_user_is_suspended(
    at_server: Client, race: Race, staff: Staff, mailbox: Mailbox
) -> None:
    person, token = staff.pending(), staff.admin.token
    path = f"/v1/users/{person.user_id}"
    assert at_server.request("POST", f"{path}/invite", token=token).status == 200
    body = {"token": mailbox.last(person.email).token, "password": PASSWORD}
    suspend = ("POST", f"{path}/suspend", {"token": token})
    accept = ("POST", "/v1/auth/password/reset", {"json": body})
    suspended, accepted = race.run(HOLD_USER, person.user_id, suspend, accept)
    assert (suspended.status, suspended.json()["status"]) == (200, "suspended")
    assert (accepted.status, accepted.problem) == (400, "invalid-code")
    shown = at_server.request("GET", path, token=token).json()
    assert (shown["status"], shown["email_verified"]) == ("suspended", False)


def test_an_address_is_verified_while_it_is_changed(
    at_server: Client, race: Race, staff: Staff, mailbox: Mailbox
) -> None:
    person, token = staff.person(), staff.admin.token
    path, first, second = f"/v1/users/{person.user_id}", random_email(), random_email()
    moved = at_server.request("PATCH", path, json={"email": first}, token=token)
    assert moved.status == 200
    body = {"token": mailbox.last(first).token}
    change = ("PATCH", path, {"json": {"email": second}, "token": token})
    verify = ("POST", "/v1/auth/verify-email", {"json": body})
    changed, verified = race.run(HOLD_USER, person.user_id, change, verify)
    assert changed.status == 200, changed.body
    assert (verified.status, verified.problem) == (400, "invalid-code")
    shown = at_server.request("GET", path, token=token).json()
    assert (shown["email"], shown["email_verified"]) == (second, False)


@pytest.mark.parametrize("action", ["suspend", "force-password-reset", "revoke-sessions"])
@pytest.mark.parametrize("login_first", [True, False])
def test_a_login_under_way_gets_no_session_that_lasts(
    at_server: Client, race: Race, staff: Staff, action: str, login_first: bool
) -> None:
    """It is refused, or ended with the others: when the account is open again, nothing of before
    works. A login that comes after a mere end of sessions is a new one."""
    person, token = staff.person(), staff.admin.token
    path = f"/v1/users/{person.user_id}"
    body = {"identifier": person.email, "password": PASSWORD}
    requests = [
        ("POST", "/v1/auth/login", {"json": body}),
        ("POST", f"{path}/{action}", {"token": token}),
    ]
    answers = race.run(HOLD_PASSWORD, person.user_id, *requests[:: 1 if login_first else -1])
    login, ended = answers[:: 1 if login_first else -1]
    assert ended.status == 200, ended.body
    allowed = login_first or action == "revoke-sessions"
    assert login.status == (200 if allowed else 401), login.body
    assert at_server.request("POST", f"{path}/reactivate", token=token).status == 200
    if allowed:
        own = at_server.request("GET", "/v1/users/me", token=login.json()["access_token"])
        assert own.status == (401 if login_first else 200)
