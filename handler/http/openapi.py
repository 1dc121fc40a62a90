"""The OpenAPI document: what the routes say, and what holds for all of them."""

from __future__ import annotations

import copy
import functools
import re
from importlib.metadata import version
from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from core import errors
from core.errors import DomainError
from handler.http.answers import JSON
from handler.http.body import MERGE_PATCH
from handler.http.problem_types import (
    BAD_REQUEST,
    DOMAIN_PROBLEMS,
    INTERNAL_ERROR,
    INVALID_INPUT,
    MALFORMED_JSON,
    MEDIA_TYPE,
    PAYLOAD_TOO_LARGE,
    PROBLEM_TYPES,
    REQUEST_TIMEOUT,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNSUPPORTED_MEDIA_TYPE,
    ProblemType,
)

DESCRIPTION = """\
Accounts, log-in, sessions and roles of people, for the services of one company.

- Bodies are JSON in UTF-8; unknown fields are refused. Times are RFC 3339 in UTC, ids UUIDs.
- Errors are problems (RFC 9457). The `type` of each leads to a page that explains it.
- Every answer has an `X-Request-Id` (the request's own, if it had one that is
  1 to 64 letters, digits, dots, hyphens or underscores) and a W3C `traceparent`.
- Resources that change have an `ETag`; `If-Match` keeps changes from overwriting each other.
- `Idempotency-Key` makes it safe to repeat a request that creates or sends something.
- Lists come in pages: send `next_cursor` as `cursor`, with the same filters, until it is null.
- Each operation of administration names the scope that it needs: permissions of the user's roles.
- HEAD is answered wherever GET is.
"""

TAGS = [
    {"name": "Accounts", "description": "Signing up, and proving an email address."},
    {"name": "Passwords", "description": "Forgotten, reset and changed passwords."},
    {"name": "Authentication", "description": "Tokens for credentials, and their end."},
    {"name": "Me", "description": "One's own account."},
    {"name": "Sessions", "description": "Where one is logged in."},
    {"name": "Users", "description": "Administration of users."},
    {"name": "Roles", "description": "Sets of permissions, and who holds them."},
    {"name": "Audit", "description": "What happened, and who did it."},
    {"name": "Operations", "description": "Health, keys and metadata."},
]

_PROBLEM_SCHEMA: dict[str, Any] = {
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "request_id"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference", "examples": ["/problems/not-found"]},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
        "request_id": {"description": "The `X-Request-Id` of the answer.", "type": "string"},
        "errors": {
            "description": "For 422: each fault of the input.",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer (RFC 6901)."},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}

_ALWAYS = (BAD_REQUEST, INTERNAL_ERROR, UNAVAILABLE)
_WITH_BODY = (
    MALFORMED_JSON,
    REQUEST_TIMEOUT,
    PAYLOAD_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID_INPUT,
)
_WITH_TOKEN = (
    UNAUTHENTICATED,
    DOMAIN_PROBLEMS[errors.PasswordChangeRequired],
    DOMAIN_PROBLEMS[errors.StorageUnavailable],
    # Of changes, and of tokens that are none of ours.
    DOMAIN_PROBLEMS[errors.TooManyRequests],
)

_RETRY_AFTER = {"Retry-After": "Seconds to wait."}
_HEADERS = {
    401: {"WWW-Authenticate": "The challenge (RFC 6750)."},
    429: {
        **_RETRY_AFTER,
        "RateLimit-Policy": "The limit that was reached.",
        "RateLimit": "What is left of it.",
    },
    503: _RETRY_AFTER,
}

_SENTENCE_END = re.compile(r"(?<=\.)\s+")


def refusals(*kinds: type[DomainError] | ProblemType) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: its own problems. Those of all routes are added later."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        _add_problem(found, kind if isinstance(kind, ProblemType) else DOMAIN_PROBLEMS[kind])
    return found


def document(app: FastAPI) -> dict[str, Any]:
    """The whole document, as `/openapi.json` serves it."""
    found = get_openapi(
        title="user-api",
        version=version("user-api"),
        description=DESCRIPTION,
        routes=app.routes,
        tags=TAGS,
    )
    components = found["components"]
    for name in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(name, None)
    components["schemas"]["Problem"] = _PROBLEM_SCHEMA
    components["examples"] = {kind.code: _example(kind) for kind in PROBLEM_TYPES.values()}
    for operations in found["paths"].values():
        for method, operation in operations.items():
            _complete(method, operation)
    return found


@functools.cache
def document_bytes(app: FastAPI) -> bytes:
    return orjson.dumps(document(app))


def _complete(method: str, operation: dict[str, Any]) -> None:
    summary, *rest = _SENTENCE_END.split(operation["description"], maxsplit=1)
    operation["summary"] = summary.rstrip(".")
    operation["description"] = "".join(rest) or operation["summary"]
    responses = operation["responses"]
    if "application/json" in responses.get("422", {}).get("content", {}):
        # FastAPI's own form, which is never answered.
        del responses["422"]
    kinds = list(_ALWAYS)
    body = operation.get("requestBody")
    if body is not None:
        kinds += _WITH_BODY
    if operation.get("security"):
        kinds += _WITH_TOKEN
    for kind in kinds:
        _add_problem(responses, kind)
    if body is not None and method == "patch":
        schema = body["content"][JSON]
        body["content"] = {MERGE_PATCH: schema, JSON: copy.deepcopy(schema)}
    operation["responses"] = dict(sorted(responses.items()))


def _add_problem(responses: dict[Any, Any], kind: ProblemType) -> None:
    """Several problems may share a status: each is an example of its answer."""
    response = responses.setdefault(str(kind.status), {})
    media = response.setdefault("content", {}).setdefault(
        MEDIA_TYPE, {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
    )
    media["examples"][kind.code] = {"$ref": f"#/components/examples/{kind.code}"}
    titles = [PROBLEM_TYPES[code].title for code in sorted(media["examples"])]
    if list(response["content"]) == [MEDIA_TYPE]:
        response["description"] = "; ".join(titles)
    headers = {name: _text_header(text) for name, text in _HEADERS.get(kind.status, {}).items()}
    if headers:
        response["headers"] = headers


def _text_header(text: str) -> dict[str, Any]:
    return {"description": text, "schema": {"type": "string"}}


def _example(kind: ProblemType) -> dict[str, Any]:
    value = {
        "type": kind.uri,
        "title": kind.title,
        "status": kind.status,
        "detail": kind.advice,
        "instance": "/v1/users/me",
        "request_id": "0198c0de-0000-7000-8000-000000000000",
    }
    return {"summary": kind.title, "value": value}
