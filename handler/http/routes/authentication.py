"""Tokens for credentials, and their end."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from core.domain.session import Tokens
from core.errors import EmailNotVerified, InvalidCredentials, InvalidRefreshToken, TooManyRequests
from handler.http.answers import json_response
from handler.http.auth import Signed
from handler.http.body import RequestBody, Secret, json_router
from handler.http.context import AnyCall
from handler.http.openapi import refusals
from handler.http.refusal_time import no_refusal_before
from handler.http.steps import run

router = json_router("Authentication")


class Login(RequestBody):
    identifier: Annotated[
        str,
        Field(min_length=1, max_length=320, description="Email address or username."),
    ]
    password: Secret


class Refresh(RequestBody):
    refresh_token: Secret


class TokenPair(TypedDict):
    """RFC 6749 section 5.1; `expires_in` in seconds."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str
    session_id: UUID


@router.post(
    "/v1/auth/login",
    responses={
        200: {"model": TokenPair},
        **refusals(InvalidCredentials, EmailNotVerified, TooManyRequests),
    },
)
async def login(call: AnyCall, body: Login) -> Response:
    """Log in with an email address or username and the password."""
    least = call.core.settings.login_refusal_time
    steps = call.core.authentication.login.steps(
        call.context(), identifier=body.identifier, password=body.password
    )
    async with no_refusal_before(least, InvalidCredentials, EmailNotVerified):
        return _answer(await run(call, steps))


@router.post(
    "/v1/auth/refresh",
    responses={200: {"model": TokenPair}, **refusals(InvalidRefreshToken, TooManyRequests)},
)
def refresh(call: AnyCall, body: Refresh) -> Response:
    """Trade a refresh token for new tokens. Each works once.

    A retry by the same client within 10 s gets the same answer; any other use of an old token ends
    the session.
    """
    return _answer(call.core.sessions.refresh(call.context(), refresh_token=body.refresh_token))


@router.post("/v1/auth/logout", status_code=204, responses={204: {"description": "Done"}})
def logout(call: Signed) -> Response:
    """End the session of the token, at once."""
    principal = call.identity
    call.core.sessions.logout(call.context(), principal)
    return Response(status_code=204)


@router.post("/v1/auth/logout-all", status_code=204, responses={204: {"description": "Done"}})
def logout_all(call: Signed) -> Response:
    """End every session of the caller, at once."""
    principal = call.identity
    call.core.sessions.logout_all(call.context(), principal)
    return Response(status_code=204)


def _answer(tokens: Tokens) -> Response:
    body = TokenPair(
        access_token=tokens.access_token,
        token_type="Bearer",  # noqa: S106  a type, not a token
        expires_in=tokens.expires_in,
        refresh_token=tokens.refresh_token,
        session_id=tokens.session_id,
    )
    return json_response(body)
