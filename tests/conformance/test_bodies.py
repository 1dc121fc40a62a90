"""Hostile input: an error within the deadline, memory bounded, never a 500."""

from __future__ import annotations

import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tests.support.clients import Answer, Client
from tests.support.people import PASSWORD, People, random_email
from tests.support.server import ServerProcess

JSON = [("content-type", "application/json")]


def post(client: Client, body: bytes, headers: list[tuple[str, str]] = JSON) -> Answer:
    return client.request("POST", "/v1/auth/login", body=body, headers=headers)


VALID = json.dumps({"identifier": "a@example.com", "password": PASSWORD})


@pytest.mark.parametrize(
    ("name", "body", "statuses"),
    [
        ("empty", b"", {422, 400}),
        ("not json", b"identifier=a", {400}),
        ("half", VALID.encode()[:-5], {400}),
        ("trailing", VALID.encode() + b"{}", {400}),
        ("latin-1", VALID.replace("a@", "\u00e4@").encode("latin-1"), {400}),
        ("utf-16", VALID.encode("utf-16"), {400}),
        ("byte order mark", b"\xef\xbb\xbf" + VALID.encode(), {400}),
        ("deep lists", b"[" * 5_000 + b"]" * 5_000, {400}),
        ("deep objects", b'{"a":' * 1_500 + b"1" + b"}" * 1_500, {400}),
        ("open lists", b"[" * 16_000, {400}),
        ("duplicate keys", b'{"identifier":"a","identifier":"b","password":"c"}', {400}),
        ("nan", b'{"identifier":NaN,"password":Infinity}', {400}),
        ("huge number", b'{"identifier":' + b"9" * 15_000 + b',"password":"x"}', {400, 422}),
        ("huge exponent", b'{"identifier":1e999999999,"password":"x"}', {400, 422}),
        ("nul", b'{"identifier":"a\\u0000b","password":"x"}', {400, 401, 422}),
        ("raw nul", b'{"identifier":"a\x00b","password":"x"}', {400}),
        ("lone surrogate", b'{"identifier":"\\ud800","password":"x"}', {400, 401, 422}),
        ("surrogate in key", b'{"\\ud800":"a","password":"x"}', {400, 422}),
        ("wrong types", b'{"identifier":[],"password":{}}', {422}),
        ("number", b"7", {422}),
        ("just under the limit", b'{"identifier":"' + b"a" * 16_000 + b'","password":"x"}', {422}),
        ("over the limit", b'{"identifier":"' + b"a" * 17_000 + b'","password":"x"}', {413}),
    ],
)
def test_a_hostile_body_gets_a_problem(
    client: Client, server: ServerProcess, name: str, body: bytes, statuses: set[int]
) -> None:
    computing = psutil.Process(server.process.pid if client.target == "asgi" else None)
    before = sum(computing.cpu_times()[:2])
    answer = post(client, body)
    assert answer.status in statuses, (name, answer.body)
    assert answer.header("content-type") == "application/problem+json"
    assert sum(computing.cpu_times()[:2]) - before < 5


def test_nul_and_surrogates_never_reach_the_database(people: People, client: Client) -> None:
    """In every text field that is stored or searched."""
    token = people.logged_in().access
    for text in ("\u0000", "a\u0000b", "\ud800", "\udfff\ud800"):
        for method, path, body in [
            ("PATCH", "/v1/users/me", {"display_name": text}),
            ("PATCH", "/v1/users/me", {"attributes": {text: 1}}),
            ("PATCH", "/v1/users/me", {"attributes": {"a": [text]}}),
            ("PATCH", "/v1/users/me", {"username": text}),
            ("POST", "/v1/auth/login", {"identifier": text, "password": text}),
            ("POST", "/v1/auth/register", {"email": random_email(), "password": PASSWORD + text}),
            ("POST", "/v1/auth/password/forgot", {"email": f"{text}@example.com"}),
            ("POST", "/v1/auth/verify-email", {"token": text}),
            ("POST", "/v1/auth/refresh", {"refresh_token": text}),
        ]:
            answer = client.request(method, path, json=body, token=token)
            assert 400 <= answer.status < 500, (method, path, body, answer.body)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""]
)
def test_only_json_is_read(client: Client, kind: str) -> None:
    answer = post(client, VALID.encode(), [("content-type", kind)])
    assert (answer.status, answer.problem) == (415, "unsupported-media-type")


def test_headers_that_proxies_confuse_are_refused(people: People, client: Client) -> None:
    """Regression of oauth2-proxy CVE-2025-64484 (underscores), and of a second Authorization."""
    token = people.logged_in().access
    underscore = [("x_forwarded_for", "203.0.113.1")]
    answer = client.request("GET", "/v1/users/me", token=token, headers=underscore)
    assert (answer.status, answer.problem) == (400, "bad-request")
    second = [("authorization", f"Bearer {token}")]
    answer = client.request("GET", "/v1/users/me", token=token, headers=second)
    assert (answer.status, answer.problem) == (400, "bad-request")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing-here", 404),
        ("GET", "/v1/users/me/", 404),
        ("GET", "/v1//users/me", 404),
        ("PUT", "/v1/users/me", 405),
        ("PROPFIND", "/v1/users/me", 405),
        ("GET", "/v1/auth/login", 405),
    ],
)
def test_unknown_paths_and_methods_get_problems(
    client: Client, method: str, path: str, status: int
) -> None:
    answer = client.request(method, path)
    assert answer.status == status, answer.body
    assert answer.header("content-type") == "application/problem+json"
    if status == 405:
        assert answer.header("allow")


class Memory:
    """The most that the process has had at once since this was made, in bytes (proc(5)).

    What it had before, for another test or while it started, would hide what it has now.
    """

    def __init__(self, server: ServerProcess) -> None:
        self._folder = Path(f"/proc/{server.process.pid}")
        (self._folder / "clear_refs").write_text("5")
        self._before = self._most()

    def growth(self) -> int:
        return self._most() - self._before

    def _most(self) -> int:
        status = (self._folder / "status").read_text()
        (kilobytes,) = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
        return int(kilobytes) * 1024


def test_fifty_megabytes_are_refused_and_not_kept(server: ServerProcess) -> None:
    """The server stops reading at the limit; its memory does not follow the sender's wish."""
    memory = Memory(server)
    head = "POST /v1/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
    for chunked in (True, False):
        with connect(server) as connection:
            size = 50 * 1024 * 1024
            framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
            connection.sendall(f"{head}\r\n{framing}\r\n\r\n".encode())
            block = b"a" * 65536
            chunk = b"10000\r\n" + block + b"\r\n" if chunked else block
            try:
                for _ in range(size // len(block)):
                    connection.sendall(chunk)
            except (BrokenPipeError, ConnectionResetError):
                pass
            received = connection.recv(4096)
        assert received.startswith(b"HTTP/1.1 413 ")
    assert memory.growth() < 20 * 1024 * 1024


def test_a_flood_of_logins_keeps_the_memory_of_few_hashes(environment: dict[str, str]) -> None:
    """Each hash takes 19 MiB; the process keeps that of two threads, not of all that answer."""
    settings = {**environment, "HASH_CONCURRENCY": "2", "ARGON2_MEMORY_KIB": "19456"}
    with ServerProcess.start(settings) as server:
        memory = Memory(server)

        def log_in(_: int) -> int:
            # Of another account each: at one they are refused before they hash.
            body = {"identifier": random_email(), "password": PASSWORD}
            return server.client().request("POST", "/v1/auth/login", json=body).status

        with ThreadPoolExecutor(16) as pool:
            statuses = set(pool.map(log_in, range(48)))
        assert 401 in statuses
        assert statuses <= {401, 429, 503}
        assert memory.growth() < 80 * 1024 * 1024


# By the setting that ends each. A body that has come whole within the test would end it too.
SLOW_REQUESTS = {
    "REQUEST_TIMEOUT": (
        b"POST /v1/auth/login HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 10000\r\n\r\n"
    ),
    "HEADER_TIMEOUT": b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
}


@pytest.mark.parametrize("setting", SLOW_REQUESTS)
def test_a_slow_sender_is_given_up(environment: dict[str, str], setting: str) -> None:
    """One byte now and then keeps no connection for longer than its setting says; the other one
    is at its maximum, beyond the end of the test."""
    slow = {**environment, "REQUEST_TIMEOUT": "60", "HEADER_TIMEOUT": "60", setting: "1"}
    with ServerProcess.start(slow) as server, connect(server) as sender:
        sender.sendall(SLOW_REQUESTS[setting])
        assert drip_until_closed(sender, deadline=time.monotonic() + 30)


def connect(server: ServerProcess) -> socket.socket:
    parts = urlsplit(server.url)
    return socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30)


def drip_until_closed(sender: socket.socket, deadline: float) -> bool:
    """Sends a byte every tenth of a second; True when the other side has closed."""
    sender.settimeout(0.1)
    while time.monotonic() < deadline:
        try:
            sender.sendall(b"a")
            if sender.recv(65536) == b"":
                return True
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            return True
    return False
