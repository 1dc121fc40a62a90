"""Limits by client address on routes that take credentials, told in RateLimit headers."""

from __future__ import annotations

from fastapi import Depends
from starlette.requests import Request

from core.errors import TooManyRequests
from handler.http.client_address import address_bucket
from handler.http.context import Call

POLICY = "address"

_WINDOW = 60


def _limit_by_address(request: Request) -> None:
    """Counts the request, and leaves where the limit stands in the answer's headers.

    Raises:
        TooManyRequests
    """
    call = Call(request)
    limit = call.core.settings.limit_address_per_minute
    if limit == 0:
        return
    key = f"{POLICY}:{address_bucket(call.address)}"
    state = call.core.limiter.hit(key, limit=limit, window=_WINDOW)
    if not state.allowed:
        raise TooManyRequests(
            retry_after=state.retry_after, limit=limit, window=_WINDOW, policy=POLICY
        )
    # draft-ietf-httpapi-ratelimit-headers-11; `t` is optional, and not known while all is well.
    call.exchange.headers += [
        (b"ratelimit-policy", f'"{POLICY}";q={limit};w={_WINDOW}'.encode()),
        (b"ratelimit", f'"{POLICY}";r={state.remaining}'.encode()),
    ]


limited_by_address = Depends(_limit_by_address)
"""For `dependencies=` of a route. Redis may be asked, so it runs in a thread."""
