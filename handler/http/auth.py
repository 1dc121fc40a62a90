"""Bearer tokens (RFC 6750), and calls of somebody who is known by one."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any
from uuid import UUID

from fastapi import Security
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase
from starlette.requests import Request

from core.domain.access import PERMISSIONS, Permission, Principal
from core.errors import PasswordChangeRequired, Unauthenticated
from handler.http.context import Call
from handler.http.limits import count_change

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
    """A call with a token. Whatever it asks for needs `principal`: that checks the token."""

    def __init__(self, request: Request, token: str) -> None:
        super().__init__(request)
        self._token = token

    @cached_property
    def identity(self) -> Principal:
        """Who calls, even with a password that has to be changed first.

        Read in the endpoint's own thread: as a dependency it would take a thread of its own.

        Raises:
            Unauthenticated
            TooManyRequests: for what is no read.
        """
        identity = self.core.authentication.authenticate(self._token)
        self.exchange.log["user_id"] = str(identity.user.id)
        count_change(self, identity.session_id)
        return identity

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
    """Refuses calls without a token before their bodies are judged; OpenAPI shows it."""

    def __init__(self) -> None:
        self.scheme_name = "accessToken"
        self.model = HTTPBearer(
            bearerFormat="JWT",
            description="An access token from POST /v1/auth/login. Its scopes are the permissions "
            "of the user's roles:\n\n"
            + "\n".join(f"- `{name}`: {meaning}" for name, meaning in PERMISSIONS.items()),
        )

    async def __call__(self, request: Request) -> SignedCall:
        return SignedCall(request, bearer_token(request.headers.get("authorization")))


_scheme = _BearerScheme()

Signed = Annotated[SignedCall, Security(_scheme)]
"""The parameter of an endpoint that needs a token."""


def needs(permission: Permission) -> Any:
    """For `Annotated[SignedCall, needs(...)]`: OpenAPI names the permission as a scope.

    The use case asks for it (`Principal.require`); a test compares the two.
    """
    return Security(_scheme, scopes=[permission.value])
