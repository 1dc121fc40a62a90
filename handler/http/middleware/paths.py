"""An encoded slash is part of a segment, not the end of one."""

from __future__ import annotations

from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send


class EncodedSlashes:
    """Keeps `%2F` in paths as it came (RFC 3986 section 2.2); servers decode it, and then routes
    match that no proxy in front has seen."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw_path: bytes = scope.get("raw_path") or b""
        if b"%2f" in raw_path.lower():
            kept = raw_path.replace(b"%2f", b"%252F").replace(b"%2F", b"%252F")
            scope["path"] = unquote(kept.decode("latin-1"))
        await self._app(scope, receive, send)
