"""A nursery of servers that stop at the worst moment: after the commit, before the answer.

Run as `python -m tests.support.kill_server`. For each line `PORT MARKER` on standard input it forks
a server on that port; a request with the header `x-block` touches MARKER when its response would
start, and then waits to be killed. Forking saves each round the imports.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import handler.asgi
from core.config import Settings
from handler.http.app import create_app


class BlockAtResponse:
    """ASGI: stops a marked request at `http.response.start`."""

    def __init__(self, app: Any, marker: Path) -> None:
        self._app = app
        self._marker = marker

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        blocks = any(name == b"x-block" for name, _ in scope.get("headers", ()))

        async def blocking_send(message: Any) -> None:
            if blocks and message["type"] == "http.response.start":
                self._marker.touch()
                await asyncio.Event().wait()
            await send(message)

        await self._app(scope, receive, blocking_send)


def serve(port: int, marker: Path) -> None:
    def blocking_app(*args: Any, **kwargs: Any) -> Any:
        return BlockAtResponse(create_app(*args, **kwargs), marker)

    environ = {**os.environ, "PORT": str(port)}
    with patch.object(handler.asgi, "create_app", blocking_app):
        handler.asgi.serve(Settings.from_environ(environ))


def main() -> None:
    for line in sys.stdin:
        port, marker = line.split()
        if os.fork() == 0:
            # Standard output is the parent's talk with the test.
            os.dup2(2, 1)
            serve(int(port), Path(marker))
            return
        print("started", flush=True)  # noqa: T201  the protocol with the test
        os.wait()


if __name__ == "__main__":
    main()
