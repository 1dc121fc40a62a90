"""Proving the address of an account, which takes the code from the mail and nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from core.domain.user import UserStatus
from tests.support.clients import Answer, Client
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, Person
from tests.support.row_locks import held
from tests.support.staff import Staff
from tests.support.storage import query

VERIFY = "/v1/auth/verify-email"
CLOSED = [UserStatus.SUSPENDED, UserStatus.DEACTIVATED]


@pytest.fixture
def unverified(staff: Staff) -> Person:
    return staff.person(email_verified=False)


def resend(client: Client, person: Person) -> Answer:
    return client.request("POST", f"{VERIFY}/resend", json={"email": person.email})


def close(url: str, person: Person, status: UserStatus) -> None:
    query(url, "UPDATE users SET status = %s WHERE id = %s", (status, person.user_id))


def is_verified(url: str, person: Person) -> tuple[bool, int]:
    """And the version of the account."""
    shown = "SELECT email_verified, version FROM users WHERE id = %s"
    ((verified, version),) = query(url, shown, (person.user_id,))
    return verified, version


def test_a_code_proves_the_address_of_an_account(
    client: Client, unverified: Person, mailbox: Mailbox, superuser_url: str
) -> None:
    """Alone: with a password beside it, it is refused and stays good."""
    resend(client, unverified)
    token = mailbox.last(unverified.email).token
    for name in ("password", "new_password"):
        answer = client.request("POST", VERIFY, json={"token": token, name: PASSWORD})
        assert answer.status == 422
        assert [fault["pointer"] for fault in answer.json()["errors"]] == [f"/{name}"]
    assert is_verified(superuser_url, unverified) == (False, 1)
    answer = client.request("POST", VERIFY, json={"token": token})
    assert (answer.status, answer.json()["user_id"]) == (200, unverified.user_id)
    assert is_verified(superuser_url, unverified) == (True, 2)


@pytest.mark.parametrize("status", CLOSED)
def test_a_closed_account_gets_no_verification_link(
    client: Client, unverified: Person, mailbox: Mailbox, superuser_url: str, status: UserStatus
) -> None:
    """Whether it was closed before the mail was asked for, or before it was made."""
    assert resend(client, unverified).status == 202
    close(superuser_url, unverified, status)
    assert resend(client, unverified).status == 202
    assert mailbox.to(unverified.email) == []


@pytest.mark.parametrize("status", CLOSED)
def test_a_link_proves_nothing_of_a_closed_account(
    client: Client, unverified: Person, mailbox: Mailbox, superuser_url: str, status: UserStatus
) -> None:
    """Its mail was made while the account was closed, so that its code was not revoked."""
    resend(client, unverified)
    body = {"token": mailbox.last(unverified.email).token}
    close(superuser_url, unverified, status)
    answer = client.request("POST", VERIFY, json=body)
    assert (answer.status, answer.problem) == (400, "invalid-code")
    assert is_verified(superuser_url, unverified) == (False, 1)


def test_a_proof_behind_a_suspension_is_refused(
    client: Client, unverified: Person, mailbox: Mailbox, superuser_url: str
) -> None:
    resend(client, unverified)
    body = {"token": mailbox.last(unverified.email).token}
    suspend = "UPDATE users SET status = 'suspended' WHERE id = %(id)s"
    with ThreadPoolExecutor(1) as pool:
        with held(superuser_url, suspend, of=unverified.user_id) as holding:
            waiting = pool.submit(client.request, "POST", VERIFY, json=body)
            holding.until(1)
        answer = waiting.result()
    assert (answer.status, answer.problem) == (400, "invalid-code")
    assert is_verified(superuser_url, unverified) == (False, 1)


def test_a_pending_user_proves_an_address_and_stays_pending(
    client: Client, staff: Staff, mailbox: Mailbox, superuser_url: str
) -> None:
    invited = staff.pending()
    resend(client, invited)
    body = {"token": mailbox.last(invited.email).token}
    assert client.request("POST", VERIFY, json=body).status == 200
    status = "SELECT status, email_verified FROM users WHERE id = %s"
    assert query(superuser_url, status, (invited.user_id,)) == [("pending", True)]
