"""One's own account."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from core.domain.user import User
from core.errors import UsernameTaken, VersionMismatch
from handler.http.answers import Moment, json_response, timestamp
from handler.http.auth import Signed
from handler.http.body import RequestBody, json_router
from handler.http.etags import IF_MATCH, IF_NONE_MATCH, etag, expected_version, unchanged
from handler.http.openapi import refusals
from handler.http.routes.accounts import Locale, Name, TimeZone, Username

router = json_router("Me")

_PATH = "/v1/users/me"
_ETAG = {"ETag": {"description": "The version in quotes.", "schema": {"type": "string"}}}


class ProfilePatch(RequestBody):
    """A merge patch (RFC 7396): null clears, what is not named stays, `attributes` merge."""

    username: Username | None = None
    display_name: Name | None = None
    given_name: Name | None = None
    family_name: Name | None = None
    phone: Annotated[str, Field(max_length=16, examples=["+15550100000"])] | None = None
    locale: Locale | None = None
    time_zone: TimeZone | None = None
    picture: Annotated[str, Field(max_length=2048, json_schema_extra={"format": "uri"})] | None = (
        None
    )
    attributes: dict[str, Any] | None = None


class UserBody(TypedDict):
    id: UUID
    email: str
    email_verified: bool
    username: str | None
    display_name: str | None
    given_name: str | None
    family_name: str | None
    phone: str | None
    locale: str | None
    time_zone: str | None
    picture: str | None
    status: Literal["pending", "active", "suspended", "deactivated"]
    roles: list[str]
    attributes: dict[str, Any]
    mfa_enabled: bool
    created_at: Moment
    updated_at: Moment
    last_login_at: Moment | None
    version: int


class Deactivation(TypedDict):
    status: Literal["deactivated"]
    erasure_due_at: Moment


@router.get(
    _PATH,
    openapi_extra={"parameters": [IF_NONE_MATCH]},
    responses={
        200: {"model": UserBody, "headers": _ETAG},
        304: {"description": "If-None-Match names the version that it still has", "headers": _ETAG},
    },
)
def read_me(call: Signed) -> Response:
    """One's own account."""
    user = call.principal.user
    if unchanged(call.request, user.version):
        return Response(status_code=304, headers={"etag": etag(user.version)})
    return _answer(user)


@router.patch(
    _PATH,
    openapi_extra={"parameters": [IF_MATCH]},
    responses={
        200: {"model": UserBody, "headers": _ETAG},
        **refusals(UsernameTaken, VersionMismatch),
    },
)
def change_me(call: Signed, body: ProfilePatch) -> Response:
    """Change one's own profile. With If-Match only if nobody else did in between."""
    principal = call.principal
    changed = call.core.accounts.change_profile(
        call.context(),
        principal,
        changes={name: getattr(body, name) for name in body.model_fields_set},
        expected_version=expected_version(call.request, principal.user.version),
    )
    return _answer(changed)


@router.delete(
    _PATH,
    status_code=202,
    openapi_extra={"parameters": [IF_MATCH]},
    responses={202: {"model": Deactivation}, **refusals(VersionMismatch)},
)
def delete_me(call: Signed) -> Response:
    """Close one's own account at once, and have it erased after a time of grace."""
    principal = call.principal
    due_at = call.core.accounts.deactivate(
        call.context(),
        principal,
        expected_version=expected_version(call.request, principal.user.version),
    )
    body = Deactivation(status="deactivated", erasure_due_at=timestamp(due_at))
    return json_response(body, status=202)


def user_body(user: User) -> UserBody:
    """The one form in which the API shows a user."""
    return UserBody(
        id=user.id,
        email=user.email,
        email_verified=user.email_verified,
        username=user.username,
        display_name=user.display_name,
        given_name=user.given_name,
        family_name=user.family_name,
        phone=user.phone,
        locale=user.locale,
        time_zone=user.time_zone,
        picture=user.picture,
        status=user.status.value,
        roles=list(user.roles),
        attributes=dict(user.attributes),
        mfa_enabled=user.mfa_enabled,
        created_at=timestamp(user.created_at),
        updated_at=timestamp(user.updated_at),
        last_login_at=timestamp(user.last_login_at) if user.last_login_at else None,
        version=user.version,
    )


def _answer(user: User) -> Response:
    return json_response(user_body(user), headers={"etag": etag(user.version)})
