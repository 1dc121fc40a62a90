"""One call of an endpoint: the core, and what a use case wants to know of the request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TYPE_CHECKING, Annotated, ParamSpec, TypeVar
from uuid import UUID

from fastapi import Depends
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from core.domain.requests import Idempotency, RequestContext
from core.lazy import lazy
from handler.http.client_address import address_bucket, scope_client_address
from handler.http.exchange import exchange_of
from handler.http.shares import Share, Shares

if TYPE_CHECKING:
    from core.bootstrap import Core

P = ParamSpec("P")
R = TypeVar("R")


class Call:
    """Anybody's call."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.core: Core = request.app.state.core
        self.shares: Shares = request.app.state.shares
        self.exchange = exchange_of(request.scope)

    @lazy
    def address(self) -> str:
        """The client's, in canonical form, as the trusted proxies saw it."""
        return scope_client_address(self.request.scope, self.core.settings.trusted_proxy_hops)

    @property
    def actor(self) -> UUID | None:
        """The user who calls, where that is known."""
        return None

    @property
    def caller(self) -> str:
        """Whose turn it is: the user of a genuine token, else an address."""
        claims = self.exchange.claims
        return f"user:{claims.subject}" if claims else address_bucket(self.address)

    @property
    def _share(self) -> Share:
        return self.exchange.share or self.shares.others

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Counts the time of the block for the caller, if a place is asked for within."""
        try:
            yield
        finally:
            if self.exchange.attended is not None:
                self._share.use.go(self.exchange.attended)

    def place(self) -> AbstractAsyncContextManager[None]:
        """A place among the requests at work, for within `attended`. Raises Overloaded.

        What has begun comes before what has not: else each request would queue again behind all
        newcomers, and none would end.
        """
        exchange = self.exchange
        begun = exchange.attended is not None
        if exchange.attended is None:
            exchange.attended = self.caller
            self._share.use.come(exchange.attended)
        return self._share.place(exchange.attended, ahead=begun)

    async def in_thread(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `function` returns, called in a thread with a place of its own."""
        async with self.place():
            return await run_in_threadpool(function, *args, **kwargs)

    def context(self, idempotency: Idempotency | None = None) -> RequestContext:
        exchange = self.exchange
        return RequestContext(
            request_id=exchange.request_id,
            client_request_id=exchange.head.request_id,
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
