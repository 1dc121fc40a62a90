"""Signing up, and proving an email address."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from core.domain.requests import StoredAnswer
from core.errors import (
    InvalidCode,
    SignUpClosed,
)
from handler.http.body import RequestBody, Secret, json_router
from handler.http.context import AnyCall
from handler.http.idempotency import KEYED, OptionalKey, answer_once, answer_once_in_steps, stored
from handler.http.openapi import refusals
from handler.http.users import Email, Locale, Name, TimeZone, Username

router = json_router("Accounts")


class Registration(RequestBody):
    email: Email
    password: Secret
    username: Username | None = None
    display_name: Name | None = None
    given_name: Name | None = None
    family_name: Name | None = None
    locale: Locale | None = None
    time_zone: TimeZone | None = None


class EmailBody(RequestBody):
    email: Email


class TokenBody(RequestBody):
    token: Annotated[Secret, Field(description="From the link in the mail, after `#token=`.")]


class Verification(TokenBody):
    """The code of a sign-up needs one of the passwords, that of an account none."""

    password: Annotated[
        Secret | None,
        Field(description="The one that was chosen at the sign-up, typed again."),
    ] = None
    new_password: Annotated[
        Secret | None,
        Field(
            description="Chosen now, where nobody remembers that one or somebody else signed up. "
            "The account has nothing then that was typed at a sign-up."
        ),
    ] = None


class Accepted(TypedDict):
    """The same whoever asks: whether an address is known is told to its mailbox only."""

    status: str
    detail: str


class VerifiedEmail(TypedDict):
    user_id: UUID
    email_verified: bool


_ACCEPTED = stored(
    Accepted(
        status="accepted",
        detail="If there is something to do for this address, a mail to it says what.",
    ),
    status=202,
)


def accepted(_: None) -> StoredAnswer:
    """The one answer to every request that may end in a mail."""
    return _ACCEPTED


@router.post(
    "/v1/auth/register",
    status_code=202,
    responses={202: {"model": Accepted}, **refusals(SignUpClosed, *KEYED)},
)
async def register(call: AnyCall, key: OptionalKey, body: Registration) -> Response:
    """Sign up. A mail to the address holds a link, or says that somebody tried."""
    profile = body.model_dump(
        include={"display_name", "given_name", "family_name", "locale", "time_zone"},
        exclude_none=True,
    )
    return await answer_once_in_steps(
        call,
        key,
        work=lambda context: call.core.sign_ups.register.steps(
            context,
            email=body.email,
            password=body.password,
            username=body.username,
            profile=profile,
        ),
        render=accepted,
    )


@router.post(
    "/v1/auth/verify-email",
    responses={200: {"model": VerifiedEmail}, **refusals(InvalidCode, *KEYED)},
)
async def verify_email(call: AnyCall, key: OptionalKey, body: Verification) -> Response:
    """Prove an address with the code from a mail. It works once.

    The code of a sign-up needs `password`, that of any sign-up with the address, or `new_password`.
    Without one the answer is 422 at `/password`, and the code stays good. The code of an account
    needs none, and takes none.
    """
    return await answer_once_in_steps(
        call,
        key,
        work=lambda context: call.core.verification.verify_email.steps(
            context, code=body.token, password=body.password, new_password=body.new_password
        ),
        render=lambda user_id: stored(
            VerifiedEmail(user_id=user_id, email_verified=True), status=200
        ),
    )


@router.post(
    "/v1/auth/verify-email/resend",
    status_code=202,
    responses={202: {"model": Accepted}, **refusals(*KEYED)},
)
def resend_verification(call: AnyCall, key: OptionalKey, body: EmailBody) -> Response:
    """Have the verification mail sent again, if one is due."""
    return answer_once(
        call,
        key,
        work=lambda context: call.core.sign_ups.resend_verification(context, email=body.email),
        render=accepted,
    )
