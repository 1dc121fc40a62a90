"""The Lambda face over an application that fails in the way that the path names."""

from __future__ import annotations

from typing import Any

from core.bootstrap import build_core
from handler.aws_lambda import LambdaFunction, lambda_settings

START: dict[str, Any] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/a")],
}
BODY: dict[str, Any] = {"type": "http.response.body", "body": b"done", "more_body": False}


MESSAGES: dict[str, list[dict[str, Any]]] = {
    "/at-once": [],
    "/begun": [START],
    "/half": [START, {**BODY, "more_body": True}],
    "/after": [START, BODY],
    "/exit": [],
    "/silent": [],
    "/no-headers": [{"type": "http.response.start", "status": 204}, BODY],
    "/no-bytes": [{**START, "headers": [("x", "y")]}, BODY],
    "/no-status": [{"type": "http.response.start"}, BODY],
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    for message in MESSAGES[scope["path"]]:
        await send(message)
    if scope["path"] == "/exit":
        raise SystemExit("secret")
    if not scope["path"].startswith(("/silent", "/no")):
        raise ValueError("secret")


lambda_handler = LambdaFunction(build_core(lambda_settings()), app).handle
