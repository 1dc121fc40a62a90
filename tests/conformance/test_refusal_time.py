"""A refused login takes as long for each account, whatever its password hash costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from argon2 import PasswordHasher

from tests.support.clients import Answer, Client, LambdaClient
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, People, random_email
from tests.support.targets import Targets, targets_with

LEAST = 0.8
"""Seconds: far more than two hashes, and nothing else here takes as long."""


@pytest.fixture(scope="module")
def patient(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "LOGIN_REFUSAL_TIME": str(LEAST)}


@pytest.fixture(scope="module")
def targets(patient: dict[str, str], lambda_client: LambdaClient) -> Iterator[Targets]:
    with targets_with(patient, lambda_client) as targets:
        yield targets


@pytest.fixture(params=["asgi", "lambda"])
def client(
    request: pytest.FixtureRequest, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> Client:
    return targets.client(request.param, monkeypatch)


@pytest.fixture
def people(client: Client, mailbox: Mailbox) -> People:
    return People(client, mailbox)


def timed(client: Client, identifier: str, password: str) -> tuple[Answer, float]:
    began = time.monotonic()
    body = {"identifier": identifier, "password": password}
    answer = client.request("POST", "/v1/auth/login", json=body)
    return answer, time.monotonic() - began


def test_no_refusal_comes_before_its_time(people: People, superuser_url: str) -> None:
    """Nobody's, a wrong password, a cheaper hash of before, and a sign-up's right password."""
    known, cheaper = people.verified(), people.verified()
    signed_up, _ = people.register()
    old_hash = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    with closing(psycopg2.connect(superuser_url)) as connection, connection:
        connection.cursor().execute(
            "UPDATE password_credentials SET password_hash = %s WHERE user_id = %s",
            (old_hash, cheaper.user_id),
        )
    wrong = "this is not the password"
    for identifier, password, status in (
        (random_email(), wrong, 401),
        ("nobody-of-that-name", wrong, 401),
        (known.email, wrong, 401),
        (cheaper.email, wrong, 401),
        (signed_up, PASSWORD, 403),
    ):
        answer, took = timed(people.client, identifier, password)
        assert answer.status == status, identifier
        assert took >= LEAST, identifier


def test_the_right_password_does_not_wait(people: People) -> None:
    """The wait is for refusals alone; so are refusals that say nothing of an account."""
    person = people.verified()
    ends, took = time.monotonic() + 30, LEAST
    # On a busy machine one may take as long by itself, but not each.
    while took >= LEAST:
        assert time.monotonic() < ends, "each waits"
        answer, took = timed(people.client, person.email, PASSWORD)
        assert answer.status == 200
    answer = people.client.request("POST", "/v1/auth/login", json={"identifier": person.email})
    assert answer.status == 422
