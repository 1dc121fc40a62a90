"""Who asks, from where, and how to answer a repeated request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class StoredAnswer:
    """An answer that was given before: HTTP-like, but the core only carries it."""

    status: int
    body: bytes


class AnsweredBefore(Exception):
    """Raised by `Storage.write` when the idempotency key has an answer; nothing was done."""

    def __init__(self, answer: StoredAnswer) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, kw_only=True)
class Idempotency:
    """An Idempotency-Key in its scope.

    `fingerprint` is a digest of the request; `render` makes the answer to keep.
    """

    principal: str
    route: str
    key: str
    fingerprint: bytes
    render: Callable[[object], StoredAnswer]


@dataclass(frozen=True, kw_only=True)
class RequestContext:
    """What a use case knows of the request.

    `request_id` is of our own making and stands in audit rows, which nobody can erase;
    `client_request_id` is free text of the client's, which goes to the erasable payload.
    `address` is canonical, taken from the trusted hop; `address_bucket` is what limits count by:
    the address, or the /64 of an IPv6 one.
    """

    request_id: str
    client_request_id: str | None = None
    trace_id: str | None = None
    address: str | None = None
    address_bucket: str | None = None
    user_agent: str | None = None
    actor: UUID | None = None
    idempotency: Idempotency | None = None
