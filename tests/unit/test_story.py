"""The demo against services that are not there, broken or too slow: one line, never a hang."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scripts.story import Account, Story
from scripts.story_client import HttpClient, StoryFailed
from tests.support.server import free_port

DEMO = Path(__file__).resolve().parents[2] / "scripts" / "demo.py"

Answering = Callable[[BaseHTTPRequestHandler], None]


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, answering: Answering, *connection: Any) -> None:
        self._answering = answering
        super().__init__(*connection)

    def do_GET(self) -> None:
        self._answering(self)

    do_POST = do_GET  # noqa: N815  named by http.server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The test's output stays clean."""


@contextmanager
def service(answering: Answering) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, answering))
    thread = threading.Thread(target=server.serve_forever, args=[0.02])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def answer(status: int, body: object) -> Answering:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def write(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return write


def drip(request: BaseHTTPRequestHandler) -> None:
    """A byte now and then: every read gets something, and the answer never ends."""
    request.send_response(200)
    request.send_header("Content-Length", "1000")
    request.end_headers()
    for _ in range(1000):
        try:
            request.wfile.write(b" ")
        except OSError:
            return
        time.sleep(0.05)


def run_demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(DEMO), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
    )


def test_the_demo_says_in_one_line_that_nothing_is_there() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = run_demo(url)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"demo: {url} does not answer GET /health: ")
    assert "Connection refused" in line


def test_the_demo_fails_on_a_service_that_is_broken() -> None:
    with service(answer(500, {"type": "about:blank"})) as url:
        done = run_demo(url)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line == "demo: GET /health answered 500 about:blank, and 200 was expected"


def test_the_demo_fails_on_something_that_is_no_user_api() -> None:
    """Every request is answered 200, so only the facts in the answers can tell."""
    with service(answer(200, {"status": "ok"})) as url:
        done = run_demo(url, "--email", "ada@example.com")
    assert done.returncode == 2
    assert "STORY_PASSWORD" in done.stderr
    with service(answer(200, {"status": "ok"})) as url:
        done = run_demo(url)
    assert done.returncode == 1
    assert done.stderr.startswith("demo: POST /v1/auth/register answered 200, and 202 was expected")


@pytest.mark.parametrize("url", ["localhost:3000", "ftp://localhost", "http://localhost:port", ""])
def test_the_demo_refuses_what_is_no_url(url: str) -> None:
    done = run_demo(url)
    assert done.returncode == 2
    assert "no http or https URL" in done.stderr


def client(url: str, *, deadline: float = 30.0) -> HttpClient:
    return HttpClient(url=url, tell=lambda _: None, deadline=deadline)


def test_a_request_ends_at_its_deadline_though_bytes_keep_coming() -> None:
    with service(drip) as url:
        began = time.monotonic()
        with pytest.raises(StoryFailed, match="does not answer GET /health: no whole answer"):
            client(url, deadline=0.5).fetch("GET", "/health")
        assert 0.5 <= time.monotonic() - began < 20


def test_an_answer_that_is_no_json_is_told() -> None:
    with (
        service(answer(200, b"<html>")) as url,
        pytest.raises(StoryFailed, match="GET /health answered something other than JSON"),
    ):
        client(url).fetch("GET", "/health")


@pytest.mark.parametrize("body", [[], "text", None, {"data": 1}, {"data": [1]}])
def test_json_of_another_shape_is_told(body: object) -> None:
    with service(answer(299, body)) as url:
        found = client(url).send("GET", "/health", None, headers={}).expect(299)
    with pytest.raises(StoryFailed, match="GET /health answered no list data"):
        found.objects("data")


def test_sign_up_without_a_mail_page_is_explained() -> None:
    with (
        service(answer(404, {})) as url,
        pytest.raises(StoryFailed, match="shows no mail; signing up needs one by `user-api dev`"),
    ):
        client(url).mail_to("ada@example.com")


def test_a_mail_that_never_comes_is_told() -> None:
    with (
        service(answer(200, {"data": []})) as url,
        pytest.raises(StoryFailed, match=r"no mail to ada@example.com came within 0.5 s"),
    ):
        client(url, deadline=0.5).mail_to("ada@example.com")


def test_secrets_are_shortened_and_everything_else_is_shown() -> None:
    lines: list[str] = []
    secret = "s3cret-" * 6
    with service(answer(200, {"access_token": secret, "expires_in": 600})) as url:
        http = HttpClient(url=url, tell=lines.append)
        body = {"identifier": "ada@example.com", "password": secret}
        http.send("POST", "/v1/auth/login", body, headers={"Authorization": f"Bearer {secret}"})
    shown = "\n".join(lines)
    assert secret not in shown
    assert "s3cret-s3c... (42 characters)" in shown
    assert "ada@example.com" in shown
    assert '"expires_in": 600' in shown


def test_a_story_without_a_verified_account_signs_up_first() -> None:
    lines: list[str] = []
    with service(answer(200, {"status": "ok"})) as url:
        story = Story(HttpClient(url=url, tell=lines.append), Account.fresh())
        with pytest.raises(StoryFailed, match="register"):
            story.play()
    assert "  POST /v1/auth/register" in lines
