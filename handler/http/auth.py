"""Bearer tokens (RFC 6750), and calls of somebody who is known by one."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Annotated, Any
from uuid import UUID

from fastapi import Security
from fastapi.dependencies.models import Dependant
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from core.domain.access import PERMISSIONS, Permission, Principal
from core.errors import PasswordChangeRequired, Unauthenticated
from core.ports.security import AccessClaims, KeysUnread
from handler.http.context import Call
from handler.http.limits import count_change, count_forgery

LONGEST_TOKEN = 8 * 1024

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def bearer_token(authorization: str | None) -> str:
    """The token of an Authorization header; a query parameter is never looked at.

    Raises:
        Unauthenticated: there is none (RFC 6750 section 3.1), or it cannot be one.
    """
    scheme, _, token = (authorization or "").partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated(token_presented=False)
    if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise Unauthenticated
    return token


class SignedCall(Call):
    """A call with a genuine token. Whatever it asks for needs `principal`: that looks up whether
    the session still lives."""

    @property
    def identity(self) -> Principal:
        """Who calls, even with a password that has to be changed first.

        Read in the endpoint's own thread, unless there is a body to wait for.

        Raises:
            Unauthenticated
            TooManyRequests: for what is no read.
        """
        exchange = self.exchange
        if exchange.principal is None:
            if exchange.claims is None:
                raise Unauthenticated(token_presented=False)
            principal = self.core.authentication.principal(exchange.claims)
            exchange.log["user_id"] = str(principal.user.id)
            count_change(self, principal.session_id)
            exchange.principal = principal
        return exchange.principal

    @property
    def principal(self) -> Principal:
        """Who calls, and may do more than change the password.

        Raises:
            Unauthenticated, PasswordChangeRequired
        """
        if self.identity.password_change_required:
            raise PasswordChangeRequired
        return self.identity

    @property
    def actor(self) -> UUID:
        return self.identity.user.id


class _BearerScheme(SecurityBase):
    """Marks routes that need a token, in OpenAPI too. The token itself is looked at before, by
    `know_caller`."""

    def __init__(self) -> None:
        self.scheme_name = "accessToken"
        self.model = HTTPBearer(
            bearerFormat="JWT",
            description="An access token from POST /v1/auth/login. Its scopes are the permissions "
            "of the user's roles:\n\n"
            + "\n".join(f"- `{name}`: {meaning}" for name, meaning in PERMISSIONS.items()),
        )

    async def __call__(self, request: Request) -> SignedCall:
        return SignedCall(request)


_scheme = _BearerScheme()

Signed = Annotated[SignedCall, Security(_scheme)]
"""The parameter of an endpoint that needs a token."""


def needs(permission: Permission) -> Any:
    """For `Annotated[SignedCall, needs(...)]`: OpenAPI names the permission as a scope.

    The use case asks for it (`Principal.require`); a test compares the two.
    """
    return Security(_scheme, scopes=[permission.value])


def is_signed(dependant: Dependant) -> bool:
    """Whether an endpoint with these dependencies needs a token."""
    return any(each.call is _scheme or is_signed(each) for each in dependant.dependencies)


async def know_caller(call: Call) -> None:
    """Verifies the token, without a thread or a statement; and with a body to come also that its
    session lives.

    Raises:
        Unauthenticated, TooManyRequests
    """
    try:
        token = bearer_token(call.request.headers.get("authorization"))
        call.exchange.claims = await _claims(call, token)
    except Unauthenticated as error:
        if error.token_presented and not error.genuine:
            count_forgery(call)
        raise
    if call.exchange.head.has_body:
        signed = SignedCall(call.request)
        await call.in_thread(lambda: signed.identity)


async def _claims(call: Call, token: str) -> AccessClaims:
    authentication = call.core.authentication
    with suppress(KeysUnread):
        return authentication.claims(token, may_read=False)
    async with call.shares.key_reads:
        with suppress(KeysUnread):
            # Another one has read them meanwhile.
            return authentication.claims(token, may_read=False)
        return await run_in_threadpool(authentication.claims, token)
