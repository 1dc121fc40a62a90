"""Bodies are counted while they arrive, and refused as soon as they are too large."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handler.http.exchange import Exchange, exchange_of
from handler.http.problem_types import PAYLOAD_TOO_LARGE
from handler.http.problems import HttpProblem


class Bodies:
    """Raises HttpProblem 413 where a body is first asked for, by its Content-Length, or else with
    the byte too many. Until then it may be unknown who asks, or how much they may send."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)
        size = 0

        async def count() -> Message:
            nonlocal size
            _check(exchange, exchange.head.content_length)
            exchange.body_awaited = exchange.body_pending
            message = await receive()
            exchange.body_awaited = False
            if message["type"] == "http.request":
                size += len(message.get("body", b""))
                _check(exchange, size)
                exchange.body_pending = message.get("more_body", False)
            return message

        await self._app(scope, count, send)


def _check(exchange: Exchange, size: int) -> None:
    if size > exchange.body_limit:
        detail = f"The body has more than {exchange.body_limit} bytes."
        raise HttpProblem(PAYLOAD_TOO_LARGE, detail)
