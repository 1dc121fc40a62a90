"""One call of an endpoint: the core, and what a use case wants to know of the request."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import Depends
from starlette.requests import Request

from core.domain.requests import Idempotency, RequestContext
from handler.http.client_address import address_bucket, scope_client_address
from handler.http.exchange import exchange_of

if TYPE_CHECKING:
    from core.bootstrap import Core


class Call:
    """Anybody's call."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.core: Core = request.app.state.core
        self.exchange = exchange_of(request.scope)

    @cached_property
    def address(self) -> str:
        """The client's, in canonical form, as the trusted proxies saw it."""
        return scope_client_address(self.request.scope, self.core.settings.trusted_proxy_hops)

    @property
    def actor(self) -> UUID | None:
        """The user who calls, where that is known."""
        return None

    def context(self, idempotency: Idempotency | None = None) -> RequestContext:
        exchange = self.exchange
        return RequestContext(
            request_id=exchange.request_id,
            trace_id=exchange.trace.trace_id,
            address=self.address,
            address_bucket=address_bucket(self.address),
            user_agent=exchange.head.user_agent,
            actor=self.actor,
            idempotency=idempotency,
        )


async def _call(request: Request) -> Call:
    return Call(request)


AnyCall = Annotated[Call, Depends(_call)]
"""The parameter of an endpoint that needs no token."""
