"""Headers that every answer gets, whichever layer writes it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handler.http.exchange import exchange_of

_DEFAULTS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"x-content-type-options", b"nosniff"),
)
"""OWASP REST Security Cheat Sheet; a route that sets one of them itself keeps its own."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_REQUEST_HEADERS = (
    "Authorization", "Idempotency-Key", "If-Match", "If-None-Match", "traceparent",
    "X-Request-Id",
)  # fmt: skip
_ANSWER_HEADERS = (
    "ETag", "Idempotency-Replayed", "Link", "RateLimit", "RateLimit-Policy", "Retry-After",
    "traceparent", "WWW-Authenticate", "X-Request-Id",
)  # fmt: skip


class AnswerHeaders:
    """Security headers, the ids of the exchange, and what was left in `Exchange.headers`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = exchange_of(scope)

        async def dress(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message.get("headers", ()))
                names = {name for name, _ in headers}
                headers += [header for header in _DEFAULTS if header[0] not in names]
                headers += exchange.headers
                headers.append((b"x-request-id", exchange.answered_id.encode()))
                headers.append((b"traceparent", exchange.trace.traceparent))
                if exchange.body_pending:
                    # What is left of the body would be read as the next request.
                    headers.append((b"connection", b"close"))
            await send(message)

        await self._app(scope, receive, dress)


def cross_origin(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Lets browsers call from these origins, with tokens but without cookies: there are none."""
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=_METHODS,
        allow_headers=_REQUEST_HEADERS,
        expose_headers=_ANSWER_HEADERS,
    )
