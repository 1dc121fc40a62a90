"""Idempotency-Key: the same request is done once and answered the same, for 24 hours."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import pytest

from tests.support.clients import Answer, Client
from tests.support.people import PASSWORD, People, proof, random_email


def register(client: Client, key: str, email: str, password: str = PASSWORD) -> Answer:
    body = {"email": email, "password": password}
    headers = [("idempotency-key", key)]
    return client.request("POST", "/v1/auth/register", json=body, headers=headers)


def pending(superuser_url: str, email: str) -> int:
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pending_registrations WHERE email_normalised = %s", (email,)
        )
        (count,) = cursor.fetchone() or (0,)
    connection.close()
    return int(count)


def test_a_repeated_request_is_answered_and_not_done_again(
    client: Client, superuser_url: str
) -> None:
    key, email = secrets.token_hex(16), random_email()
    first, second = register(client, key, email), register(client, key, email)
    assert (first.status, first.body) == (second.status, second.body)
    assert first.header("idempotency-replayed") is None
    assert second.header("idempotency-replayed") == "true"
    assert pending(superuser_url, email) == 1


def test_the_order_of_members_is_the_same_request(client: Client, superuser_url: str) -> None:
    """A client's serialiser may order differently when it tries again."""
    key, email = secrets.token_hex(16), random_email()
    headers = [("idempotency-key", key), ("content-type", "application/json")]
    for body in (
        f'{{"email": "{email}", "password": "{PASSWORD}"}}',
        f'{{"password":"{PASSWORD}","email":"{email}"}}',
    ):
        answer = client.request("POST", "/v1/auth/register", body=body.encode(), headers=headers)
        assert answer.status == 202, answer.body
    assert pending(superuser_url, email) == 1


def test_a_key_belongs_to_one_request(client: Client, superuser_url: str) -> None:
    key, email, other = secrets.token_hex(16), random_email(), random_email()
    register(client, key, email)
    answer = register(client, key, other)
    assert (answer.status, answer.problem) == (422, "idempotency-key-reused")
    assert pending(superuser_url, other) == 0


def test_a_key_of_one_route_is_free_on_another(people: People, client: Client) -> None:
    key, email = secrets.token_hex(16), random_email()
    register(client, key, email)
    headers = [("idempotency-key", key)]
    answer = client.request(
        "POST", "/v1/auth/password/forgot", json={"email": email}, headers=headers
    )
    assert answer.status == 202
    assert answer.header("idempotency-replayed") is None


def test_twenty_at_once_are_done_once(client: Client, superuser_url: str) -> None:
    """Concurrent duplicates are told so (409), or get the answer when it is there."""
    key, email = secrets.token_hex(16), random_email()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: register(client, key, email), range(20)))
    assert {answer.status for answer in answers} <= {202, 409}
    assert any(answer.status == 202 for answer in answers)
    assert pending(superuser_url, email) == 1


def test_a_refused_request_may_be_mended_and_sent_again(client: Client, superuser_url: str) -> None:
    key, email = secrets.token_hex(16), random_email()
    assert register(client, key, email, "short").status == 422
    assert register(client, key, email).status == 202
    assert pending(superuser_url, email) == 1


def test_a_lost_answer_of_a_one_time_code_can_be_asked_for_again(
    people: People, client: Client
) -> None:
    """The code is used up, but the same request with its key still gets its answer."""
    email, _ = people.register()
    body = proof(people.mailbox.last(email).token)
    headers = [("idempotency-key", secrets.token_hex(16))]
    first = client.request("POST", "/v1/auth/verify-email", json=body, headers=headers)
    second = client.request("POST", "/v1/auth/verify-email", json=body, headers=headers)
    assert (first.status, first.body) == (second.status, second.body)
    assert first.status == 200


def test_stored_answers_are_encrypted(people: People, client: Client, superuser_url: str) -> None:
    email, _ = people.register()
    body = proof(people.mailbox.last(email).token)
    headers = [("idempotency-key", secrets.token_hex(16))]
    answer = client.request("POST", "/v1/auth/verify-email", json=body, headers=headers)
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT r::text FROM idempotency_records r")
        rows = "".join(row[0] for row in cursor.fetchall())
    connection.close()
    assert answer.json()["user_id"] not in rows
    assert answer.json()["user_id"].encode().hex() not in rows


@pytest.mark.parametrize("key", ["", "a" * 256, "ä", "two words"])
def test_a_bad_key_is_refused(client: Client, key: str) -> None:
    headers = [("idempotency-key", key)]
    body = {"email": random_email(), "password": PASSWORD}
    answer = client.request("POST", "/v1/auth/register", json=body, headers=headers)
    assert answer.status in {400, 422}
