"""The same request again gets the same answer (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, cast

import orjson
from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from core.domain.requests import AnsweredBefore, Idempotency, RequestContext, StoredAnswer
from core.errors import IdempotencyKeyReused, RequestInProgress, TooManyRequests
from core.services.stepwise import Steps
from handler.http.answers import JSON
from handler.http.context import Call
from handler.http.steps import run

ANONYMOUS = "anonymous"

KEYED = (IdempotencyKeyReused, RequestInProgress, TooManyRequests)
"""For `refusals` of a route with an `OptionalKey`."""

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Key:
    """A key, and a digest of its request that tells repetitions from other requests."""

    value: str
    route: str
    fingerprint: bytes


async def _key(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            min_length=1,
            max_length=255,
            pattern=r"^[!-+\-.-~]+$",
            description="The same request with the same key gets the same answer for 24 hours.",
        ),
    ] = None,
) -> Key | None:
    if idempotency_key is None:
        return None
    route = f"{request.method} {request.scope['route'].path}"
    return Key(idempotency_key, route, _fingerprint(route, request, await _parsed_body(request)))


OptionalKey = Annotated[Key | None, Depends(_key)]
"""The parameter of an endpoint that creates or sends something: it marks the route."""


def answer_once(
    call: Call,
    key: Key | None,
    *,
    work: Callable[[RequestContext], _Result],
    render: Callable[[_Result], StoredAnswer],
) -> Response:
    """Does the work, or gives the answer of the time when it was done.

    `render` makes the answer that is given and the one that is kept. Raises what `work` raises,
    and keeps nothing of that.
    """
    try:
        return _response(render(work(_context(call, key, render))))
    except AnsweredBefore as before:
        return _replayed(before)


async def answer_once_in_steps(
    call: Call,
    key: Key | None,
    *,
    work: Callable[[RequestContext], Steps[_Result]],
    render: Callable[[_Result], StoredAnswer],
) -> Response:
    """As `answer_once`, for work that waits for password hashes."""
    # Without a statement: who calls is known by now, where a token is needed.
    context = _context(call, key, render)
    try:
        return _response(render(await run(call, work(context))))
    except AnsweredBefore as before:
        return _replayed(before)


def stored(body: object, *, status: int) -> StoredAnswer:
    """An answer with a JSON body."""
    return StoredAnswer(status, orjson.dumps(body))


def _context(
    call: Call, key: Key | None, render: Callable[[_Result], StoredAnswer]
) -> RequestContext:
    if key is None:
        return call.context()
    return call.context(
        Idempotency(
            principal=str(call.actor or ANONYMOUS),
            route=key.route,
            key=key.value,
            fingerprint=key.fingerprint,
            render=cast("Callable[[object], StoredAnswer]", render),
        )
    )


def _replayed(before: AnsweredBefore) -> Response:
    response = _response(before.answer)
    response.headers["idempotency-replayed"] = "true"
    return response


def _response(answer: StoredAnswer) -> Response:
    return Response(
        answer.body, status_code=answer.status, media_type=JSON if answer.body else None
    )


async def _parsed_body(request: Request) -> Any:
    return await request.json() if await request.body() else None


def _fingerprint(route: str, request: Request, body: Any) -> bytes:
    """Equal for bodies that differ in layout and order of members only."""
    target = request.scope["path"].encode() + b"?" + request.scope["query_string"]
    canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.sha256()
    for part in (route.encode(), target, canonical):
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()
