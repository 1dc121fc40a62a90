"""A problem for a request that never reached the application, so that no answer is plain text."""

from __future__ import annotations

import json
from http import HTTPStatus
from uuid import uuid4

Headers = list[tuple[bytes, bytes]]


def bare_problem(status: int, detail: str) -> tuple[Headers, bytes]:
    """Headers and body of a problem (RFC 9457) with a request id of its own.

    The type is `about:blank`, which section 4.2.1 keeps for errors that the status says all about.
    """
    request_id = str(uuid4())
    members = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    body = json.dumps(members, separators=(",", ":")).encode()
    return [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", request_id.encode()),
    ], body
