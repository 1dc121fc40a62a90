"""The one form in which the API takes and shows a user."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import orjson
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from typing_extensions import TypedDict

from core.domain.user import User
from handler.http.answers import Moment, json_response, timestamp
from handler.http.body import RequestBody
from handler.http.etags import etag, unchanged

Email = Annotated[str, Field(min_length=3, max_length=320, json_schema_extra={"format": "email"})]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Username = Annotated[
    str,
    Field(min_length=3, max_length=32, description="Letters, digits, dots, hyphens, underscores."),
]
Locale = Annotated[str, Field(min_length=2, max_length=64, examples=["en-GB"])]
TimeZone = Annotated[str, Field(min_length=1, max_length=64, examples=["Europe/London"])]

VERSIONED = {"ETag": {"description": "The version in quotes.", "schema": {"type": "string"}}}
"""For `headers` of an answer in OpenAPI."""

UNCHANGED: dict[int | str, dict[str, Any]] = {
    304: {"description": "If-None-Match names the version that it still has", "headers": VERSIONED}
}
"""For `responses=` of a route that reads one resource."""


class ProfileFields(RequestBody):
    """What people fill in about themselves, or administrators about them."""

    # Attributes take 16 KiB, and four times as much where a client escapes all but ASCII.
    max_bytes: ClassVar[int] = 64 * 1024

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


class ProfilePatch(ProfileFields):
    """A merge patch (RFC 7396): null clears, what is not named stays, `attributes` merge."""


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


def user_body(user: User) -> UserBody:
    """As the API shows a user."""
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


def user_response(user: User, *, status: int = 200) -> Response:
    """With the ETag of the version that it shows."""
    return json_response(user_body(user), status=status, headers={"etag": etag(user.version)})


def read_response(request: Request, user: User) -> Response:
    """304 without a body if the request has this version already."""
    if unchanged(request, user.version):
        return Response(status_code=304, headers={"etag": etag(user.version)})
    return user_response(user)


def deactivation(due_at: datetime) -> Deactivation:
    """What a deletion answers."""
    return Deactivation(status="deactivated", erasure_due_at=timestamp(due_at))


def with_etag(response: Response, *, location: str | None = None, identity: str = "id") -> Response:
    """Adds the ETag of the resource in the body, so that an answer which is given again has it too;
    with `location`, the path of its collection, also where it is (RFC 9110 section 10.2.2)."""
    body = orjson.loads(response.body)
    response.headers["etag"] = etag(body["version"])
    if location is not None:
        response.headers["location"] = f"{location}/{body[identity]}"
    return response
