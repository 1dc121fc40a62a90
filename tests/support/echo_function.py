"""The Lambda face over an application that answers with what it received: status, cookies, body."""

from __future__ import annotations

from typing import Any

from core.bootstrap import build_core
from handler.aws_lambda import LambdaFunction, lambda_settings


async def app(scope: Any, receive: Any, send: Any) -> None:
    """The path is the status; each cookie becomes a Set-Cookie; body and type come back."""
    received = dict(scope["headers"])
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    cookies = [each for each in received.get(b"cookie", b"").split(b"; ") if each]
    headers = [(b"set-cookie", each) for each in cookies]
    headers.append((b"content-type", received.get(b"content-type", b"application/octet-stream")))
    status = int(scope["path"].strip("/"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


lambda_handler = LambdaFunction(build_core(lambda_settings()), app).handle
