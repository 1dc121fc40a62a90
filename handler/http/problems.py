"""Refusals as answers: problem details (RFC 9457) and the headers that a status asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

from core.errors import (
    DomainError,
    FieldError,
    InvalidInput,
    RequestInProgress,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from handler.http.exchange import exchange_of
from handler.http.problem_types import (
    BAD_REQUEST,
    DOMAIN_PROBLEMS,
    INTERNAL_ERROR,
    MEDIA_TYPE,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    PAYLOAD_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemType,
)

_CHALLENGE = 'Bearer realm="user-api"'
_LONGEST_INSTANCE = 1024

_BY_STATUS: Mapping[int, ProblemType] = {
    404: NOT_FOUND,
    405: METHOD_NOT_ALLOWED,
    413: PAYLOAD_TOO_LARGE,
    415: UNSUPPORTED_MEDIA_TYPE,
}


class HttpProblem(HTTPException):
    """A refusal that has nothing to do with the domain. `detail` may be shown to anybody."""

    def __init__(
        self, kind: ProblemType, detail: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(kind.status, detail, headers)
        self.kind = kind


def problem_response(
    scope: Mapping[str, Any],
    kind: ProblemType,
    detail: str,
    *,
    faults: Iterable[FieldError] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer for a problem: `instance` is the path, `faults` become `errors`."""
    body: dict[str, object] = {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": quote(scope["path"][:_LONGEST_INSTANCE]),
        "request_id": exchange_of(scope).answered_id,
    }
    entries = [{"pointer": fault.pointer, "detail": fault.detail} for fault in faults]
    if entries:
        body["errors"] = entries
    return Response(
        orjson.dumps(body), status_code=kind.status, media_type=MEDIA_TYPE, headers=headers
    )


def domain_response(scope: Mapping[str, Any], error: DomainError) -> Response:
    """The answer for an error of the domain."""
    kind = DOMAIN_PROBLEMS[type(error)]
    faults = error.errors if isinstance(error, InvalidInput) else ()
    return problem_response(scope, kind, str(error), faults=faults, headers=_headers(error, kind))


def http_response(scope: Mapping[str, Any], error: HTTPException) -> Response:
    """The answer for a refusal of our own layers, or of the framework."""
    if isinstance(error, HttpProblem):
        return problem_response(scope, error.kind, error.detail, headers=error.headers)
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:
        kind = BAD_REQUEST if error.status_code < 500 else INTERNAL_ERROR
    return problem_response(scope, kind, kind.advice, headers=error.headers)


def _headers(error: DomainError, kind: ProblemType) -> dict[str, str] | None:
    if kind.status == 401:
        # A challenge with each 401 (RFC 9110 section 15.5.2), an error only with a token that was
        # refused (RFC 6750 section 3.1).
        refused = isinstance(error, Unauthenticated) and error.token_presented
        return {"www-authenticate": _CHALLENGE + (', error="invalid_token"' if refused else "")}
    if isinstance(error, TooManyRequests):
        # draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4.
        return {
            "retry-after": str(error.retry_after),
            "ratelimit-policy": f'"{error.policy}";q={error.limit};w={error.window}',
            "ratelimit": f'"{error.policy}";r=0;t={error.retry_after}',
        }
    if isinstance(error, Unavailable):
        return {"retry-after": str(error.retry_after)}
    return {"retry-after": "1"} if isinstance(error, RequestInProgress) else None
