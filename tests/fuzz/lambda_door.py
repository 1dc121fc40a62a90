"""The Lambda handler behind a small HTTP server, as an Application Load Balancer calls it.

Usage: PORT=... python -m tests.fuzz.lambda_door

Each request becomes an event that goes through JSON, and the answer comes back the same way.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from typing import Any

import uvicorn

from tests.support.lambda_events import EVENT_BUILDERS, behind_alb, response_of

_BUILD = EVENT_BUILDERS["alb-multi-value"]


class LambdaDoor:
    """An ASGI application: one execution environment, so one invocation at a time."""

    def __init__(self) -> None:
        from handler.aws_lambda import lambda_handler

        self._handler = lambda_handler
        self._free = threading.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        status, headers, content = await asyncio.to_thread(self._invoke, scope, body)
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": content})

    def _invoke(self, scope: Any, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
        ]
        event = _BUILD(scope["method"], target, behind_alb(headers, "192.0.2.1"), body)
        with self._free:
            result = self._handler(json.loads(json.dumps(event)), None)
        return response_of(json.loads(json.dumps(result)))


def main() -> None:
    uvicorn.run(
        LambdaDoor(),
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        http="httptools",
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=2,
    )


if __name__ == "__main__":
    main()
