"""An application that tells what it saw: in this process, or as `python -m tests.support.watched`.

As a process it is `user-api serve` for the settings of the environment, and answers `GET` of SEEN
with the last request as JSON, or null when none arrived since it was asked last.
"""

from __future__ import annotations

import json
import os
from typing import Any
from unittest.mock import patch

import handler.asgi
from core.config import Settings
from handler.http.app import create_app
from tests.support.event_losses import View

SEEN = "/seen-by-the-application"


class Watched:
    """ASGI: reads the body first, so that it is seen whatever the application makes of it."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.last: View | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if scope["path"] == SEEN:
            await self._tell(send)
            return
        self.last = View.of(scope, body)
        waiting = [{"type": "http.request", "body": body, "more_body": False}]

        async def again() -> Any:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, again, send)

    async def _tell(self, send: Any) -> None:
        told = json.dumps(self.last and self.last.to_json()).encode()
        self.last = None
        headers = [(b"content-length", str(len(told)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": told})


def main() -> None:
    def watched_app(*args: Any, **kwargs: Any) -> Any:
        return Watched(create_app(*args, **kwargs))

    with patch.object(handler.asgi, "create_app", watched_app):
        handler.asgi.serve(Settings.from_environ(os.environ))


if __name__ == "__main__":
    main()
