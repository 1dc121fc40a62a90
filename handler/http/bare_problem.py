"""A problem for a request that never reached the application, so that no answer is plain text."""

from __future__ import annotations

from http import HTTPStatus
from uuid import uuid4

import orjson

from handler.http.problem_types import BAD_REQUEST, INTERNAL_ERROR, MEDIA_TYPE, REQUEST_TIMEOUT

_KINDS = {kind.status: kind for kind in (BAD_REQUEST, REQUEST_TIMEOUT, INTERNAL_ERROR)}

Headers = list[tuple[bytes, bytes]]


def bare_problem(
    status: int, detail: str, *, request_id: str | None = None
) -> tuple[Headers, bytes]:
    """Headers and body of a problem (RFC 9457), with a new request id if none is given.

    Without a type of ours it is `about:blank`, which section 4.2.1 keeps for what the status says.
    """
    kind = _KINDS.get(status)
    request_id = request_id or str(uuid4())
    body = orjson.dumps(
        {
            "type": kind.uri if kind else "about:blank",
            "title": kind.title if kind else HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "request_id": request_id,
        }
    )
    return [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-request-id", request_id.encode()),
    ], body
