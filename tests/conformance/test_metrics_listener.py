"""Metrics have a listener of their own, apart from the API, and nothing keeps them waiting."""

from __future__ import annotations

import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.clients import Client
from tests.support.people import random_email
from tests.support.probes import drains
from tests.support.processes import Command, run_command
from tests.support.server import ServerProcess, free_port
from tests.support.wire import silent_server


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_the_api_has_no_metrics(client: Client, method: str) -> None:
    """On either target the path is one that does not exist."""
    answer = client.request(method, "/metrics")
    assert answer.status == 404
    if method != "HEAD":
        assert answer.problem == "not-found"


def test_the_listener_has_nothing_else(server: ServerProcess) -> None:
    """Who may read the metrics has no way to the API with that."""
    assert "http_requests_total" in server.metrics()
    for path in ("/health/live", "/v1/users/me", "/docs", "/"):
        url = f"http://127.0.0.1:{server.metrics_port}{path}"
        answer = httpx.get(url, timeout=30, trust_env=False)
        assert answer.status_code == 404, path
        assert answer.headers["content-type"] == "application/problem+json"


def test_they_answer_while_every_endpoint_waits(environment: dict[str, str]) -> None:
    """For a database that is silent, with twice as many requests as there are threads: a page that
    counts them all was made while they wait."""
    with silent_server() as database:
        waits = ("DATABASE_CONNECT_TIMEOUT", "DATABASE_POOL_TIMEOUT", "REQUEST_TIMEOUT")
        settings = {**environment, **dict.fromkeys(waits, "30"), "DATABASE_URL": database}
        with ServerProcess.start(settings) as server, ThreadPoolExecutor(20) as crowd:
            for _ in range(20):
                body = {"email": random_email()}
                crowd.submit(server.http.post, "/v1/auth/password/forgot", json=body)
            try:
                ends = time.monotonic() + 20
                while (flying := in_flight(server)) < 20:
                    assert time.monotonic() < ends, flying
                    time.sleep(0.05)
            finally:
                # The test needs no answers.
                server.kill()


def in_flight(server: ServerProcess) -> int:
    found = re.search(r"^http_requests_in_flight (\S+)$", server.metrics(), re.MULTILINE)
    return int(float(found[1])) if found else 0


@pytest.mark.slow
def test_they_answer_on_while_it_drains(environment: dict[str, str]) -> None:
    """What happens in the last seconds of a pod is seen too; then the process ends."""
    with ServerProcess.start({**environment, "DRAIN_SECONDS": "20"}) as server:
        server.process.send_signal(signal.SIGTERM)
        while not drains(str(server.http.base_url)):
            time.sleep(0.02)
        assert 'path="/health/ready",status="503"' in server.metrics()
        assert server.process.wait(60) == 0
        with pytest.raises(httpx.ConnectError):
            server.metrics()


@pytest.mark.parametrize(
    ("command", "setting"),
    [("serve", "METRICS_PORT"), ("worker", "WORKER_PORT"), ("dev", "METRICS_PORT")],
)
def test_a_taken_port_is_one_line(
    environment: dict[str, str], tmp_path: Path, command: str, setting: str
) -> None:
    """Told before the database, which says nothing here, is asked."""
    with socket.create_server(("127.0.0.1", 0)) as taken, silent_server() as database:
        port = taken.getsockname()[1]
        settings = {**environment, "DATABASE_URL": database, setting: str(port)}
        settings["PORT"] = str(free_port())
        done = run_command(command, settings=settings, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        f"user-api: cannot listen on 127.0.0.1 port {port}: "
        f"the port is taken; choose another with {setting}\n"
    )


def test_serve_has_none_unless_it_is_told(environment: dict[str, str], tmp_path: Path) -> None:
    """A port that nobody asked for is one that nobody closes."""
    port = free_port()
    settings = {**environment, "PORT": str(port)}
    with Command.start("serve", settings=settings, cwd=tmp_path) as command:
        command.wait_until(lambda: answers(port), what="service")
        (process, *_) = command.family()
        listening = [each for each in process.net_connections("tcp") if each.status == "LISTEN"]
        assert [each.laddr.port for each in listening] == [port]
        assert command.end() == 0


def answers(port: int) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/health/live"
        return httpx.get(url, timeout=30, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
