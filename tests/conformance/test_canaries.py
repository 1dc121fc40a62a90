"""No log, no metric and no answer to others holds what one client has sent."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from core.bootstrap import Core, build_core
from core.config import Settings
from handler.local.postgres import LocalPostgres
from tests.support.canaries import Canaries, attempts
from tests.support.clients import Client, random_address
from tests.support.databases import migrated
from tests.support.log_lines import parsed
from tests.support.mailbox import Mailbox
from tests.support.people import LoggedIn, People
from tests.support.processes import Command
from tests.support.runtime_api import HANDLER, RuntimeApi
from tests.support.runtime_client import RuntimeClient
from tests.support.server import ServerProcess, free_port
from tests.support.smtp_relay import smtp_relay
from tests.support.storage import CONTEXT

DATABASE = "canaries"


@pytest.fixture
def environment(
    postgres: LocalPostgres, environment: dict[str, str], tmp_path: Path
) -> Iterator[dict[str, str]]:
    """Of a deployment of its own, which logs all that it would ever log, and limits nobody."""
    url = postgres.url(role="user_api", database=DATABASE)
    mails = f"directory://{tmp_path / 'mail'}"
    with migrated(postgres, DATABASE):
        yield {**environment, "DATABASE_URL": url, "MAIL_URL": mails, "LOG_LEVEL": "DEBUG"}


@dataclass
class Deployment:
    """A target under test, and whatever of it writes logs; a function has no `server`."""

    client: Client
    server: ServerProcess | None
    core: Core
    folder: Path
    logs: list[Path]
    environment: dict[str, str]


@pytest.fixture(params=["asgi", "lambda"])
def deployment(
    request: pytest.FixtureRequest, environment: dict[str, str], tmp_path: Path
) -> Iterator[Deployment]:
    log = tmp_path / "function.log"
    with closing(build_core(Settings.from_environ(environment))) as core:
        if request.param == "lambda":
            with RuntimeApi(HANDLER, environment, log) as runtime:
                client: Client = RuntimeClient(runtime, "alb-multi-value")
                yield Deployment(client, None, core, tmp_path, [log], environment)
        else:
            with ServerProcess.start(environment) as server:
                yield Deployment(server.client(), server, core, tmp_path, [server.log], environment)


class Walker:
    """Somebody whose every word is a canary, and who comes back after each end of an account."""

    def __init__(self, deployment: Deployment, canaries: Canaries, *, admin: bool) -> None:
        self._deployment = deployment
        self._canaries = canaries
        self._admin = admin
        self._number = 0
        self._me: LoggedIn | None = None

    def token(self) -> str:
        """Of a session that works."""
        client = self._deployment.client
        if self._me is not None:
            answer = client.request("GET", "/v1/users/me", token=self._me.access)
            if answer.status == 200:
                return self._me.access
        self._me = self._someone()
        return self._me.access

    def _someone(self) -> LoggedIn:
        self._number += 1
        canaries = self._canaries
        email = f"{canaries.person}.{self._admin:d}.{self._number}@example.com"
        newcomer = self._deployment.client.from_address(random_address())
        mailbox = Mailbox(self._deployment.core, self._deployment.folder / "mail")
        people = People(newcomer, mailbox)
        person = people.verified(email, password=canaries.secret, display_name=canaries.text)
        if self._admin:
            core = self._deployment.core
            with core.storage.write(CONTEXT) as uow:
                uow.access.grant(
                    UUID(person.user_id), "admin", granted_by=None, now=core.clock.now()
                )
                uow.commit()
        return people.log_in(person)

    @property
    def user_id(self) -> str:
        self.token()
        assert self._me is not None
        return self._me.person.user_id


def walk(deployment: Deployment, canaries: Canaries, document: dict[str, Any]) -> Counter[int]:
    """Every route as nobody, as a user and as an administrator; returns the statuses."""
    statuses = Counter[int]()
    client = deployment.client
    walkers = [None, *(Walker(deployment, canaries, admin=admin) for admin in (False, True))]
    for walker in walkers:
        user_id = walker.user_id if walker else canaries.text
        token = None if walker else canaries.secret
        for each in attempts(document, canaries, user_id, broken=walker is None):
            if walker and (token is None or each.method != "GET"):
                token = walker.token()
            headers = [*each.headers, ("authorization", f"Bearer {token}")]
            answer = client.send(each.method, each.path, headers, each.body)
            assert answer.status < 500 or answer.status == 503, (each, answer)
            assert canaries.secret not in answer.body.decode().lower(), (each, answer)
            statuses[answer.status] += 1
    return statuses


def succeeded(statuses: Counter[int]) -> int:
    """Those of 2xx: where all is refused, nothing is kept that could leak."""
    return sum(count for status, count in statuses.items() if status < 300)


def send_garbage(url: str, canaries: Canaries) -> None:
    """What the server refuses before the application sees it."""
    host, port = httpx.URL(url).host, httpx.URL(url).port or 0
    text = canaries.text
    for raw in (
        f"{text} /{text} HTTP/1.1\r\nHost: {text}\r\n\r\n",
        f"GET /{text} HTTP/1.1\r\n{text} {text}: {text}\r\n\r\n",
        f"GET /{text} HTTP/9.9\r\nHost: {text}\r\n\r\n",
        f"GET /%{text} HTTP/1.1\r\nHost: x\r\nHost: {text}\r\n\r\n",
        f"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: {text}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: {text * 4000}\r\n\r\n",
    ):
        with socket.create_connection((host, port), 30) as raw_connection:
            raw_connection.sendall(raw.encode())
            raw_connection.shutdown(socket.SHUT_WR)
            while raw_connection.recv(65536):
                pass


def deliver_badly(deployment: Deployment, canaries: Canaries) -> tuple[Path, str]:
    """A worker whose relay repeats addresses in its refusals; its log and its metrics."""
    port = free_port()
    email = f"{canaries.person}.refused@example.com"
    deployment.core.sign_ups.register(
        CONTEXT, email=email, password=canaries.secret, username=None, profile={}
    )
    with smtp_relay() as relay:
        relay.recipient_replies[email] = f"550 5.1.1 <{email}> does not live here"
        settings = {
            **deployment.environment,
            "MAIL_URL": f"smtp://127.0.0.1:{relay.port}",
            "WORKER_PORT": str(port),
            "WORKER_POLL_INTERVAL": "0.1",
        }
        with Command.start("worker", settings=settings, cwd=deployment.folder) as worker:
            worker.wait_for("parked")
            page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30, trust_env=False).text
            assert worker.end() == 0
        return worker.log, page


@pytest.mark.timeout(1200)
def test_what_one_client_sends_is_in_no_log_no_metric_and_no_answer_to_others(
    deployment: Deployment,
) -> None:
    """Secrets, addresses and every other word, in bodies, headers, queries and paths."""
    canaries = Canaries()
    client = deployment.client
    document = client.request("GET", "/openapi.json").json()
    statuses = walk(deployment, canaries, document)
    assert statuses.total() > 3 * len(document["paths"])
    assert succeeded(statuses) > 25
    pages = []
    if deployment.server is not None:
        pages.append(deployment.server.metrics())
        send_garbage(deployment.server.url, canaries)
    log, page = deliver_badly(deployment, canaries)
    pages.append(page)
    # A stranger, who asks the same without any of the words.
    plain, asked = Canaries(), Counter[int]()
    for each in attempts(document, plain, plain.text, broken=True):
        answer = client.send(each.method, each.path, each.headers, each.body)
        assert not canaries.found_in(answer.body.decode()), each
        asked[answer.status] += 1
    assert succeeded(asked) > 4
    for text in pages:
        assert "# TYPE" in text
        assert not canaries.found_in(text)
    for written in (*deployment.logs, log):
        lines = parsed(written.read_text(encoding="utf-8"))
        assert lines
        found = [line for line in lines if canaries.found_in(str(line))]
        assert not found, found[:5]
