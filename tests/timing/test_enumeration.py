"""Whether an account exists cannot be told by the clock (security test 4)."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from core.bootstrap import Core
from tests.support.clients import Client, random_address
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, People, random_email
from tests.support.server import ServerProcess
from tests.support.statistics import mann_whitney
from tests.support.storage import query

SAMPLES = int(os.environ.get("TIMING_SAMPLES", "250"))
# Each waits for its time, which shows a difference in fewer.
LOGINS = SAMPLES // 2
RUNS = 3
SIGNIFICANT = 0.001
# Limits are tested elsewhere; here they would stop the measurement.
UNLIMITED = {
    "LIMIT_ADDRESS_PER_MINUTE": "0",
    "LIMIT_MAILS_PER_ADDRESS": "1000",
    "LIMIT_FAILURES_PER_ADDRESS": "1000",
    "LIMIT_FAILURES_PER_ACCOUNT": "100000",
}
# Two of the dearest hashes below take half of it. The defaults are in the same proportion.
QUICK = {
    "ARGON2_MEMORY_KIB": "8192",
    "ARGON2_ITERATIONS": "1",
    "LOGIN_REFUSAL_TIME": "0.08",
}
# Cheaper and dearer than today's, as after a change of the settings.
STORED = {
    "cheaper": PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1),
    "dearer": PasswordHasher(time_cost=2, memory_cost=16384, parallelism=1),
}

pytestmark = [pytest.mark.timing, pytest.mark.timeout(1200)]


def log_in(client: Client, email: str) -> None:
    body = {"identifier": email, "password": "this is not the password"}
    assert client.request("POST", "/v1/auth/login", json=body).status == 401


def register(client: Client, email: str) -> None:
    body = {"email": email, "password": PASSWORD}
    assert client.request("POST", "/v1/auth/register", json=body).status == 202


def forgot(client: Client, email: str) -> None:
    body = {"email": email}
    assert client.request("POST", "/v1/auth/password/forgot", json=body).status == 202


def resend(client: Client, email: str) -> None:
    body = {"email": email}
    assert client.request("POST", "/v1/auth/verify-email/resend", json=body).status == 202


@pytest.fixture(scope="module")
def unlimited(environment: dict[str, str]) -> Iterator[ServerProcess]:
    with ServerProcess.start({**environment, **UNLIMITED, **QUICK}) as server:
        yield server


@pytest.fixture(scope="module")
def accounts(
    unlimited: ServerProcess, core: Core, mail_folder: Path, superuser_url: str
) -> dict[str, str]:
    """An address of each kind. All are asked for as often: what earlier requests left behind takes
    time too, and is no news to who sent them.
    """
    people = People(unlimited.client(), Mailbox(core, mail_folder))
    active, suspended = people.verified(), people.verified()
    unverified, _ = people.register()
    rehashed = {kind: people.verified() for kind in STORED}
    suspend = "UPDATE users SET status = 'suspended' WHERE id = %s"
    query(superuser_url, suspend, (suspended.user_id,))
    rehash = "UPDATE password_credentials SET password_hash = %s WHERE user_id = %s"
    for kind, hasher in STORED.items():
        query(superuser_url, rehash, (hasher.hash(PASSWORD), rehashed[kind].user_id))
    return {
        "active": active.email,
        "suspended": suspended.email,
        "unverified": unverified,
        "unknown": random_email(),
        **{kind: person.email for kind, person in rehashed.items()},
    }


def measure(
    client: Client, attempt: Callable[[Client, str], None], accounts: dict[str, str]
) -> dict[str, list[float]]:
    """Interleaved in random order, so that whatever else the machine does hits all kinds alike."""
    times: dict[str, list[float]] = {kind: [] for kind in accounts}
    for _ in range(LOGINS if attempt is log_in else SAMPLES):
        for kind in random.sample(sorted(times), len(times)):
            client.address = random_address()
            started = time.perf_counter()
            attempt(client, accounts[kind])
            times[kind].append(time.perf_counter() - started)
    return times


@pytest.mark.parametrize("attempt", [log_in, register, forgot, resend])
def test_the_clock_tells_nothing(
    unlimited: ServerProcess,
    accounts: dict[str, str],
    attempt: Callable[[Client, str], None],
    superuser_url: str,
) -> None:
    """A kind is told apart only if it is in each of three runs."""
    if attempt is not log_in:
        accounts = {kind: email for kind, email in accounts.items() if kind not in STORED}
    told_apart = set(accounts) - {"unknown"}
    for _ in range(RUNS):
        # Beyond the limit of mails every kind is refused alike, whatever the code does.
        query(superuser_url, "DELETE FROM throttles")
        times = measure(unlimited.client(), attempt, accounts)
        told_apart &= {
            kind for kind in told_apart if mann_whitney(times[kind], times["unknown"]) < SIGNIFICANT
        }
        if not told_apart:
            return
    pytest.fail(f"told apart from unknown accounts: {sorted(told_apart)}")
