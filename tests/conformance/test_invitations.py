"""Invitations: the link with which a created user chooses a password."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.domain.user import UserStatus
from tests.support.clients import Answer, Client
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, People, Person, random_email
from tests.support.staff import Staff
from tests.support.storage import query

NEW = "an entirely different sentence"


def act(client: Client, staff: Staff, user_id: str, action: str, **sent: Any) -> Answer:
    path = f"/v1/users/{user_id}/{action}"
    return client.request("POST", path, token=staff.admin.token, **sent)


def accept(client: Client, token: str, password: str = PASSWORD) -> Answer:
    body = {"token": token, "password": password}
    return client.request("POST", "/v1/auth/password/reset", json=body)


def log_in(client: Client, email: str, password: str = PASSWORD) -> Answer:
    body = {"identifier": email, "password": password}
    return client.request("POST", "/v1/auth/login", json=body)


def shown(client: Client, staff: Staff, user_id: str) -> dict[str, Any]:
    answer = client.request("GET", f"/v1/users/{user_id}", token=staff.admin.token)
    user: dict[str, Any] = answer.json()
    return user


@pytest.fixture
def invited(client: Client, staff: Staff) -> Person:
    """Created through the API, with a mail on its way."""
    email = random_email()
    body = {"email": email, "invite": True}
    answer = client.request("POST", "/v1/users", json=body, token=staff.admin.token)
    assert answer.status == 201, answer.body
    return Person(answer.json()["id"], email, PASSWORD)


def test_an_invitation_ends_in_an_active_verified_account(
    client: Client, staff: Staff, invited: Person, mailbox: Mailbox
) -> None:
    """Following the link proves the address, and its owner chooses the password."""
    (mail,) = mailbox.to(invited.email)
    (link,) = [link for link in mail.links if "#token=" in link]
    assert link.startswith("https://id.example.com/account/reset#token=")
    assert PASSWORD not in mail.text
    assert accept(client, mail.token).status == 204
    user = shown(client, staff, invited.user_id)
    assert (user["status"], user["email_verified"]) == ("active", True)
    assert log_in(client, invited.email).status == 200
    assert len(mailbox.to(invited.email)) == 1, "nobody's password was changed"


def test_a_link_is_good_once(client: Client, invited: Person, mailbox: Mailbox) -> None:
    token = mailbox.last(invited.email).token
    assert accept(client, token).status == 204
    again = accept(client, token, NEW)
    assert (again.status, again.problem) == (400, "invalid-code")
    assert log_in(client, invited.email, NEW).status == 401
    assert log_in(client, invited.email).status == 200


def test_ten_at_once_accept_once(client: Client, invited: Person, mailbox: Mailbox) -> None:
    token = mailbox.last(invited.email).token
    passwords = [f"{NEW} {number}" for number in range(10)]
    with ThreadPoolExecutor(10 if client.target == "asgi" else 1) as pool:
        statuses = list(pool.map(lambda each: accept(client, token, each).status, passwords))
    assert sorted(statuses) == [204] + [400] * 9
    chosen = passwords[statuses.index(204)]
    assert log_in(client, invited.email, chosen).status == 200


def test_a_refused_password_leaves_the_link_good(
    client: Client, staff: Staff, invited: Person, mailbox: Mailbox
) -> None:
    token = mailbox.last(invited.email).token
    for refused in ("short", invited.email):
        assert accept(client, token, refused).problem == "invalid-input"
    assert shown(client, staff, invited.user_id)["status"] == "pending"
    assert accept(client, token).status == 204


def test_a_new_invitation_ends_the_old_one(
    client: Client, staff: Staff, invited: Person, mailbox: Mailbox
) -> None:
    old = mailbox.last(invited.email).token
    answer = act(client, staff, invited.user_id, "invite")
    assert (answer.status, answer.json()["status"]) == (200, "pending")
    assert answer.header("etag") == f'"{answer.json()["version"]}"'
    new = mailbox.last(invited.email).token
    assert new != old
    assert accept(client, old).problem == "invalid-code"
    assert accept(client, new).status == 204


def test_a_repeated_request_sends_one_mail(client: Client, staff: Staff, mailbox: Mailbox) -> None:
    person, headers = staff.pending(), [("idempotency-key", secrets.token_hex(16))]
    first, again = (act(client, staff, person.user_id, "invite", headers=headers) for _ in range(2))
    assert (first.status, first.body) == (again.status, again.body)
    assert first.header("etag") == again.header("etag") is not None
    assert again.header("idempotency-replayed") == "true"
    assert len(mailbox.to(person.email)) == 1


def test_an_invitation_expires_after_its_time(
    client: Client, invited: Person, mailbox: Mailbox, superuser_url: str
) -> None:
    token = mailbox.last(invited.email).token
    expire = "UPDATE one_time_codes SET expires_at = now() - interval '1 second' WHERE user_id = %s"
    query(superuser_url, expire, (invited.user_id,))
    assert accept(client, token).problem == "invalid-code"


@pytest.mark.parametrize("status", [each for each in UserStatus if each != "pending"])
def test_only_pending_users_are_invited(
    client: Client, staff: Staff, mailbox: Mailbox, status: UserStatus
) -> None:
    """An invitation is no way around a suspension, and no reset of a password."""
    person = staff.person(status=status)
    answer = act(client, staff, person.user_id, "invite")
    assert (answer.status, answer.problem) == (409, "state-conflict")
    assert status.value in answer.json()["detail"]
    assert mailbox.to(person.email) == []


def test_each_code_does_what_it_is_for_and_nothing_else(
    client: Client, staff: Staff, invited: Person, mailbox: Mailbox
) -> None:
    """An invitation proves no address elsewhere, and stays good when somebody tries."""
    token = mailbox.last(invited.email).token
    answer = client.request("POST", "/v1/auth/verify-email", json={"token": token})
    assert (answer.status, answer.problem) == (400, "invalid-code")
    assert shown(client, staff, invited.user_id)["email_verified"] is False
    assert accept(client, token).status == 204


def test_a_pending_user_gets_no_reset_mail(client: Client, staff: Staff, mailbox: Mailbox) -> None:
    """Else anybody could send the invitation that an administrator withheld."""
    person = staff.pending()
    body = {"email": person.email}
    answer = client.request("POST", "/v1/auth/password/forgot", json=body)
    assert answer.status == 202
    assert mailbox.to(person.email) == []


def test_a_sign_up_with_a_pending_users_address_opens_nothing(
    client: Client, staff: Staff, invited: Person, people: People
) -> None:
    """Its owner is told by a notice without a link that could activate the stranger's password."""
    invitation = people.mailbox.last(invited.email).token
    _, answer = people.register(invited.email, password=NEW)
    assert answer.status == 202
    notice = people.mailbox.last(invited.email)
    assert not any("#token=" in link for link in notice.links)
    assert log_in(client, invited.email, NEW).status in {401, 403}
    assert shown(client, staff, invited.user_id)["status"] == "pending"
    assert accept(client, invitation).status == 204
    assert log_in(client, invited.email, NEW).status in {401, 403}
    assert log_in(client, invited.email).status == 200


@pytest.mark.parametrize("action", ["suspend", "deactivate"])
def test_whoever_is_shut_out_first_cannot_accept(
    client: Client, staff: Staff, invited: Person, mailbox: Mailbox, action: str
) -> None:
    """CVE-2024-47000: the link is dead at once, and stays so when the account is opened again."""
    token = mailbox.last(invited.email).token
    assert act(client, staff, invited.user_id, action).status == 200
    assert accept(client, token).problem == "invalid-code"
    reopened = act(client, staff, invited.user_id, "reactivate")
    assert (reopened.status, reopened.json()["status"]) == (200, "pending")
    assert accept(client, token).problem == "invalid-code"
    assert act(client, staff, invited.user_id, "invite").status == 200
    assert accept(client, mailbox.last(invited.email).token).status == 204


def test_a_withdrawn_invitation_is_not_sent(
    client: Client, staff: Staff, invited: Person, mailbox: Mailbox
) -> None:
    """What waits in the outbox is judged when it is sent."""
    assert act(client, staff, invited.user_id, "suspend").status == 200
    assert mailbox.to(invited.email) == []


def test_an_invitation_to_an_old_address_is_dead(
    client: Client, staff: Staff, invited: Person, mailbox: Mailbox
) -> None:
    """CVE-2026-9087: a proof is bound to the address that it was sent to."""
    token, new = mailbox.last(invited.email).token, random_email()
    path = f"/v1/users/{invited.user_id}"
    change = client.request("PATCH", path, json={"email": new}, token=staff.admin.token)
    assert change.status == 200, change.body
    assert accept(client, token).problem == "invalid-code"
    assert mailbox.to(new) == []
    assert act(client, staff, invited.user_id, "invite").status == 200
    assert accept(client, mailbox.last(new).token).status == 204


def test_mails_to_one_address_are_limited(client: Client, staff: Staff, mailbox: Mailbox) -> None:
    """An administrator is told so, and the link that was sent last goes on being good."""
    person = staff.pending()
    answers = [act(client, staff, person.user_id, "invite") for _ in range(7)]
    assert [answer.status for answer in answers] == [200] * 5 + [429] * 2
    assert answers[-1].problem == "too-many-requests"
    assert int(answers[-1].header("retry-after") or 0) > 0
    mails = mailbox.to(person.email)
    assert mails
    assert accept(client, mails[-1].token).status == 204


def test_an_invitation_and_a_suspension_at_once_never_end_in_an_active_account(
    client: Client, staff: Staff, mailbox: Mailbox
) -> None:
    """Whichever comes first: both orders end with the user shut out, and neither waits for the
    other in a circle."""
    staff.admin  # noqa: B018  logged in before the race
    for _ in range(5):
        person = staff.pending()
        assert act(client, staff, person.user_id, "invite").status == 200
        token = mailbox.last(person.email).token
        with ThreadPoolExecutor(2) as pool:
            accepting = pool.submit(accept, client, token)
            suspending = pool.submit(act, client, staff, person.user_id, "suspend")
        assert suspending.result().status == 200, suspending.result().body
        assert accepting.result().status in {204, 400}, accepting.result().body
        assert shown(client, staff, person.user_id)["status"] == "suspended"
        assert log_in(client, person.email).status == 401
