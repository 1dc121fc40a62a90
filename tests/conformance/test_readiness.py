"""`/health/ready` under a SECRET_KEY that is not the database's, on both targets."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from core.bootstrap import Core, build_core
from handler.http.app import create_app
from tests.support.clients import Client, until_ready
from tests.support.lambda_events import EVENT_BUILDERS, response_of
from tests.support.server import ServerProcess

OTHER_KEY = b"some quite other key of 32 bytes"


Ask = Callable[[str], tuple[int, Any]]


@pytest.fixture(params=["asgi", "lambda"])
def stranger(request: pytest.FixtureRequest, core: Core) -> Iterator[Ask]:
    """Asks a process with the wrong key, after one with the right key has made the first one."""
    core.access_tokens.prepare()
    with serving(request) if request.param == "asgi" else invoking(request, core) as ask:
        yield ask


@contextmanager
def serving(request: pytest.FixtureRequest) -> Iterator[Ask]:
    environment: dict[str, str] = request.getfixturevalue("environment")
    wrong = {**environment, "SECRET_KEY": base64.b64encode(OTHER_KEY).decode()}
    with ServerProcess.start(wrong) as server:
        yield lambda path: _of(server.client(), path)


@contextmanager
def invoking(request: pytest.FixtureRequest, core: Core) -> Iterator[Ask]:
    request.getfixturevalue("lambda_client")
    # Its settings are read at import, and the fixture has put them there.
    from handler.aws_lambda import LambdaFunction

    built = build_core(replace(core.settings, secret_key=OTHER_KEY))
    function = LambdaFunction(built, create_app(built))

    def ask(path: str) -> tuple[int, Any]:
        headers = [("host", "id.example.com"), ("x-forwarded-for", "192.0.2.1")]
        event = EVENT_BUILDERS["alb-multi-value"]("GET", path, headers, b"")
        status, _, body = response_of(function.handle(event, None))
        return status, json.loads(body)

    try:
        yield ask
    finally:
        function.close()
        built.close()


def _of(client: Client, path: str) -> tuple[int, Any]:
    answer = client.request("GET", path)
    return answer.status, json.loads(answer.body)


def test_a_wrong_secret_key_is_not_ready(stranger: Ask) -> None:
    """Nobody could log in there; the process itself is alive, and restarting it mends nothing."""
    status, body = stranger("/health/ready")
    assert (status, body["status"], body["keys"]) == (503, "not ready", False)
    assert (body["database"], body["schema"]) == (True, True)
    assert stranger("/health/live")[0] == 200


def test_the_right_secret_key_is_ready(client: Client) -> None:
    until_ready(lambda: client.request("GET", "/health/ready").status)
    assert _of(client, "/health/ready")[1]["keys"] is True


def test_probes_ask_for_keys_once_a_minute(server: ServerProcess) -> None:
    """As cheap as before: connection, standby and revision are asked with each probe, keys not."""

    def key_reads() -> int:
        lines = [line for line in server.metrics().splitlines() if 'table="signing_keys"' in line]
        counts = [line for line in lines if line.startswith("db_queries_total")]
        return sum(int(float(line.rpartition(" ")[2])) for line in counts)

    _of(server.client(), "/health/ready")
    before = key_reads()
    for _ in range(20):
        _of(server.client(), "/health/ready")
    assert key_reads() <= before + 1
