"""A server killed between commit and answer loses nothing and doubles nothing."""

from __future__ import annotations

import math
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg2
import pytest

from tests.support.clients import Answer, ServerClient, random_address
from tests.support.mailbox import Mailbox
from tests.support.people import PASSWORD, proof, random_email
from tests.support.server import ServerProcess, free_port

KILLS = int(os.environ.get("KILL_ROUNDS", "20"))
KILLS_A_STORY = 3
SECONDS = 60.0

pytestmark = [pytest.mark.kill, pytest.mark.timeout(120 + 10 * KILLS)]


class Nursery:
    """Forks servers; each is killed while a request waits at the start of its response."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def start(self) -> tuple[str, psutil.Process, Path]:
        port = free_port()
        marker = self._folder / secrets.token_hex(4)
        assert self._process.stdin
        assert self._process.stdout
        print(port, marker, file=self._process.stdin, flush=True)
        assert self._process.stdout.readline().strip() == "started"
        (child,) = psutil.Process(self._process.pid).children()
        return f"http://127.0.0.1:{port}", child, marker

    def send_and_kill(self, path: str, json: object, key: str | None) -> None:
        """Posts, waits until the answer is about to start, and kills the server."""
        url, child, marker = self.start()
        headers = [("x-block", "1"), *([("idempotency-key", key)] if key else [])]
        lost: list[Answer | Exception] = []

        def send(client: ServerClient) -> None:
            try:
                lost.append(client.request("POST", path, json=json, headers=headers))
            except httpx.TransportError as error:
                lost.append(error)

        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as http:
            wait_until_live(http)
            sender = threading.Thread(target=send, args=[ServerClient(http)])
            sender.start()
            wait_for(marker)
            child.send_signal(signal.SIGKILL)
            sender.join(SECONDS)
        assert isinstance(lost[0], httpx.TransportError), lost


def wait_until_live(http: httpx.Client) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            http.get("/health/live")
            return
        except httpx.TransportError:
            time.sleep(0.02)
    raise AssertionError("the forked server did not start")


def wait_for(marker: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not marker.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert marker.exists(), "the request never came to its answer"


@pytest.fixture
def nursery(environment: dict[str, str], tmp_path: Path) -> Iterator[Nursery]:
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.kill_server"],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        yield Nursery(process, tmp_path)
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()


def count(superuser_url: str, table: str, email: str) -> int:
    connection = psycopg2.connect(superuser_url)
    with connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE email_normalised = %s", (email,))
        (rows,) = cursor.fetchone() or (0,)
    connection.close()
    return int(rows)


def test_a_killed_answer_is_given_again_and_nothing_is_doubled(
    nursery: Nursery, client: ServerClient, mailbox: Mailbox, superuser_url: str
) -> None:
    """Registration, verification and refresh, each killed after its commit, round after round."""
    for _ in range(math.ceil(KILLS / KILLS_A_STORY)):
        here = client.from_address(random_address())
        email, key = random_email(), secrets.token_hex(8)
        sign_up = {"email": email, "password": PASSWORD}
        nursery.send_and_kill("/v1/auth/register", sign_up, key)
        answers = [repeat(here, "/v1/auth/register", sign_up, key) for _ in range(2)]
        assert [answer.status for answer in answers] == [202, 202]
        assert answers[0].body == answers[1].body
        assert count(superuser_url, "pending_registrations", email) == 1

        verify = proof(mailbox.last(email).token)
        assert len(mailbox.to(email)) == 1
        nursery.send_and_kill("/v1/auth/verify-email", verify, key)
        answers = [repeat(here, "/v1/auth/verify-email", verify, key) for _ in range(2)]
        assert [answer.status for answer in answers] == [200, 200]
        assert answers[0].body == answers[1].body
        assert count(superuser_url, "users", email) == 1

        login = {"identifier": email, "password": PASSWORD}
        first = here.request("POST", "/v1/auth/login", json=login).json()["refresh_token"]
        refresh = {"refresh_token": first}
        nursery.send_and_kill("/v1/auth/refresh", refresh, None)
        answers = [repeat(here, "/v1/auth/refresh", refresh, None) for _ in range(2)]
        assert [answer.status for answer in answers] == [200, 200]
        successors = {answer.json()["refresh_token"] for answer in answers}
        assert len(successors) == 1
        assert first not in successors


def repeat(client: ServerClient, path: str, json: object, key: str | None) -> Answer:
    headers = [("idempotency-key", key)] if key else []
    return client.request("POST", path, json=json, headers=headers)


@pytest.fixture
def client(server: ServerProcess) -> ServerClient:
    """A server that is not killed, on the same database."""
    return server.client()
