"""Forgotten, reset and changed passwords."""

from __future__ import annotations

from starlette.responses import Response

from core.domain.requests import StoredAnswer
from core.errors import InvalidCode, TooManyRequests
from handler.http.auth import Signed
from handler.http.body import RequestBody, Secret, json_router
from handler.http.context import AnyCall
from handler.http.idempotency import KEYED, OptionalKey, answer_once, answer_once_in_steps
from handler.http.openapi import refusals
from handler.http.routes.accounts import Accepted, EmailBody, TokenBody, accepted
from handler.http.steps import run

router = json_router("Passwords")


class PasswordReset(TokenBody):
    password: Secret


class PasswordChange(RequestBody):
    current_password: Secret
    new_password: Secret


@router.post(
    "/v1/auth/password/forgot",
    status_code=202,
    responses={202: {"model": Accepted}, **refusals(*KEYED)},
)
def forgot_password(call: AnyCall, key: OptionalKey, body: EmailBody) -> Response:
    """Have a link sent that lets the owner of the address choose a new password."""
    return answer_once(
        call,
        key,
        work=lambda context: call.core.passwords.forgot(context, email=body.email),
        render=accepted,
    )


@router.post(
    "/v1/auth/password/reset",
    status_code=204,
    responses={204: {"description": "Done"}, **refusals(InvalidCode, *KEYED)},
)
async def reset_password(call: AnyCall, key: OptionalKey, body: PasswordReset) -> Response:
    """Choose a new password with the code from a mail. Every session of the account ends."""
    return await answer_once_in_steps(
        call,
        key,
        work=lambda context: call.core.passwords.reset.steps(
            context, code=body.token, password=body.password
        ),
        render=lambda _: StoredAnswer(204, b""),
    )


@router.post(
    "/v1/users/me/password",
    status_code=204,
    responses={204: {"description": "Done"}, **refusals(TooManyRequests)},
)
async def change_password(call: Signed, body: PasswordChange) -> Response:
    """Change one's own password. Every session ends, this one too."""
    # Known already: there was a body to wait for.
    steps = call.core.passwords.change.steps(
        call.context(), call.identity, current=body.current_password, new=body.new_password
    )
    await run(call, steps)
    return Response(status_code=204)
