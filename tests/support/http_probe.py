"""ASGI applications called in this process, message by message, as a server would."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Scope

Headers = Sequence[tuple[str, str]]


@dataclass
class Reply:
    """What came back; header names in lower case."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key == name]
        return ", ".join(values) if values else None

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def problem(self) -> str | None:
        """The problem's code, or None when it is no problem."""
        if self.header("content-type") != "application/problem+json":
            return None
        return str(self.json()["type"]).removeprefix("/problems/")


def http_scope(method: str, path: str, headers: Headers = ()) -> Scope:
    """The scope that uvicorn builds; for `localhost`, if no other Host is given."""
    if not any(name.lower() == "host" for name, _ in headers):
        headers = [("host", "localhost"), *headers]
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "root_path": "",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "client": ("192.0.2.1", 50000),
        "server": ("127.0.0.1", 3000),
    }


async def ask(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    headers: Headers = (),
    chunks: Sequence[bytes] = (b"",),
    endless: bool = False,
    gone: bool = False,
) -> Reply:
    """One request; with `endless` the body never ends, and the rest of it never comes; with
    `gone` the client leaves in the middle of it."""
    reply = Reply()
    waiting = list(chunks)

    async def receive() -> Message:
        if not waiting and gone:
            return {"type": "http.disconnect"}
        if not waiting:
            await asyncio.Event().wait()
        chunk = waiting.pop(0)
        more = bool(waiting) or endless or gone
        return {"type": "http.request", "body": chunk, "more_body": more}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            assert reply.status == 0, "two answers to one request"
            reply.status = message["status"]
            reply.headers = [(name.decode(), value.decode()) for name, value in message["headers"]]
        else:
            reply.body += message.get("body", b"")

    await app(http_scope(method, path, headers), receive, send)
    return reply


def answer(
    app: ASGIApp,
    method: str,
    path: str,
    *,
    headers: Headers = (),
    chunks: Sequence[bytes] = (b"",),
    endless: bool = False,
    gone: bool = False,
) -> Reply:
    """`ask` in an event loop of its own."""
    return asyncio.run(
        ask(app, method, path, headers=headers, chunks=chunks, endless=endless, gone=gone)
    )


def answer_json(
    app: ASGIApp, method: str, path: str, body: object, *, headers: Headers = ()
) -> Reply:
    """`answer` to a request with a JSON body; bytes are sent as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = [("content-length", str(len(content))), *headers]
    if not any(name == "content-type" for name, _ in headers):
        sent.append(("content-type", "application/json"))
    return answer(app, method, path, headers=sent, chunks=[content])
