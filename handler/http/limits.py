"""What one client may ask for: a table of limits by address, and a limit of a session's changes.

Guesses of passwords are counted in the core, by account. What is here bounds the work that one
address or one session causes, told in RateLimit headers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING
from uuid import UUID

from core.errors import TooManyRequests
from core.ports.runtime import Quota, RateLimiter
from handler.http.client_address import address_bucket, site_of
from handler.http.context import Call

if TYPE_CHECKING:
    from core.config import Settings

READING = frozenset({"GET", "HEAD", "OPTIONS"})

_WINDOW = 60


@dataclass(frozen=True)
class Limit:
    """Requests a minute; `policy` names it in headers, and all routes with it share one count."""

    policy: str
    size: Callable[[Settings], int]


CREDENTIALS = Limit("address", lambda settings: settings.limit_address_per_minute)
"""Passwords and codes from mails, and what sends mail or costs a hash."""

REFRESHES = Limit("refreshes", lambda settings: settings.limit_refreshes_per_minute)
"""A count of its own: a whole office refreshes from one address, and must not use up its logins.

A refresh token is an HMAC of 256 bits, checked before any statement: this bounds work, not luck.
"""

FORGERIES = Limit("forgeries", lambda settings: settings.limit_forgeries_per_minute)
"""Tokens that are none of ours."""

CHANGES = Limit("changes", lambda settings: settings.limit_changes_per_minute)
"""By session, for everything that needs a token and is no read: routes need not ask for it.

Not by user: a thief could use up the owner's, and with them the way to end the thief's session.
"""

BY_ADDRESS: Mapping[tuple[str, str], Limit] = MappingProxyType(
    {
        ("POST", "/v1/auth/register"): CREDENTIALS,
        # Codes have 256 bits, and one that is guessed costs a statement and no hash.
        ("POST", "/v1/auth/verify-email"): CREDENTIALS,
        ("POST", "/v1/auth/verify-email/resend"): CREDENTIALS,
        ("POST", "/v1/auth/login"): CREDENTIALS,
        ("POST", "/v1/auth/refresh"): REFRESHES,
        ("POST", "/v1/auth/password/forgot"): CREDENTIALS,
        ("POST", "/v1/auth/password/reset"): CREDENTIALS,
        # With a token, and yet a place to guess a password.
        ("POST", "/v1/users/me/password"): CREDENTIALS,
    }
)
"""Every route that changes something without a token is here; a test compares with OpenAPI."""


def limits_by_address(methods: Collection[str], path: str) -> list[Limit]:
    """Those of a route."""
    return [BY_ADDRESS[method, path] for method in methods if (method, path) in BY_ADDRESS]


def count_address(call: Call, limit: Limit) -> None:
    """Counts a request of an address, and of the site that has it. Redis may be asked: for a
    thread.

    Raises:
        TooManyRequests
    """
    _count_both(call, call.core.limiter, limit)


def count_forgery(call: Call) -> None:
    """Counts a token that this service never made.

    In this process alone, and only where the token was looked at: a genuine one is let in from any
    address, and one that has expired or was revoked is no guess. 256 bits are not guessed; this
    tells clients that go on sending rubbish to stop.

    Raises:
        TooManyRequests
    """
    call.core.metrics.forged_token()
    _count_both(call, call.core.local_limiter, FORGERIES)


def count_change(call: Call, session_id: UUID) -> None:
    """Counts a request of a session if it is no read.

    Raises:
        TooManyRequests
    """
    if call.request.method not in READING:
        _count(call, call.core.limiter, CHANGES, str(session_id))


def _count_both(call: Call, limiter: RateLimiter, limit: Limit) -> None:
    _count(call, limiter, limit, address_bucket(call.address), site=site_of(call.address))


def _count(
    call: Call, limiter: RateLimiter, limit: Limit, who: str, *, site: str | None = None
) -> None:
    """Counts the request, and leaves where the limit stands in the answer's headers: the one of
    `site`, where less is left of that."""
    settings = call.core.settings
    size = limit.size(settings)
    if size == 0:
        return
    wider = None
    if site is not None:
        key = f"{limit.policy}-site:{site}"
        wider = Quota(key=key, limit=size * settings.limit_site_share)
    state = limiter.hit(f"{limit.policy}:{who}", limit=size, window=_WINDOW, wider=wider)
    policy = f"{limit.policy}-site" if state.wider else limit.policy
    if not state.allowed:
        raise TooManyRequests(
            retry_after=state.retry_after, limit=state.limit, window=_WINDOW, policy=policy
        )
    # draft-ietf-httpapi-ratelimit-headers-11; `t` is optional, and not known while all is well.
    call.exchange.headers += [
        (b"ratelimit-policy", f'"{policy}";q={state.limit};w={_WINDOW}'.encode()),
        (b"ratelimit", f'"{policy}";r={state.remaining}'.encode()),
    ]
