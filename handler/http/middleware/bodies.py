"""Bodies are counted while they arrive, and refused as soon as they are too large."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handler.http.exchange import exchange_of
from handler.http.problem_types import PAYLOAD_TOO_LARGE
from handler.http.problems import HttpProblem

MAX_BODY_BYTES = 256 * 1024

_DETAIL = f"The body has more than {MAX_BODY_BYTES} bytes."


class Bodies:
    """Raises HttpProblem 413: by Content-Length before it reads, else with the byte too many."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        if exchange.head.content_length > MAX_BODY_BYTES:
            raise HttpProblem(PAYLOAD_TOO_LARGE, _DETAIL)
        size = 0

        async def count() -> Message:
            nonlocal size
            exchange.body_awaited = exchange.body_pending
            message = await receive()
            exchange.body_awaited = False
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                if size > MAX_BODY_BYTES:
                    raise HttpProblem(PAYLOAD_TOO_LARGE, _DETAIL)
                exchange.body_pending = message.get("more_body", False)
            return message

        await self._app(scope, count, send)
