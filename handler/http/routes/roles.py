"""Roles, and who holds them."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from core.domain.access import Permission, Role
from core.errors import (
    InvalidCursor,
    InvalidInput,
    LastAdministrator,
    NotFound,
    PermissionDenied,
    PrivilegeEscalation,
    RoleBuiltIn,
    RoleInUse,
    RoleTaken,
    VersionMismatch,
)
from handler.http.answers import Moment, json_response, timestamp
from handler.http.auth import SignedCall, needs
from handler.http.body import RequestBody, json_router
from handler.http.etags import IF_MATCH, IF_NONE_MATCH, etag, expected_version, unchanged
from handler.http.idempotency import KEYED, OptionalKey, answer_once, stored
from handler.http.openapi import refusals
from handler.http.paging import PageRequest, page_response
from handler.http.users import UNCHANGED, VERSIONED, UserBody, user_response, with_etag

router = json_router("Roles")

Reader = Annotated[SignedCall, needs(Permission.ROLES_READ)]
Writer = Annotated[SignedCall, needs(Permission.ROLES_WRITE)]
Granter = Annotated[SignedCall, needs(Permission.ROLES_GRANT)]

_PATH = "/v1/roles"
_ONE = _PATH + "/{name}"
_GRANT = "/v1/users/{user_id:uuid}/roles/{name}"
_QUERY = "roles"
_GRANT_REFUSALS = refusals(NotFound, PermissionDenied, PrivilegeEscalation, VersionMismatch)
_CHANGE_REFUSALS = refusals(
    NotFound, PermissionDenied, PrivilegeEscalation, RoleBuiltIn, VersionMismatch
)

Permissions = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": [each.value for each in Permission]})]],
    Field(max_length=100, json_schema_extra={"uniqueItems": True}),
]


class RoleBody(TypedDict):
    name: str
    description: str
    built_in: bool
    permissions: list[str]
    created_at: Moment
    updated_at: Moment
    version: int


class RolePage(TypedDict):
    data: list[RoleBody]
    next_cursor: str | None


class NewRoleBody(RequestBody):
    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=63,
            pattern=r"^[a-z]([a-z0-9-]*[a-z0-9])?$",
            examples=["billing"],
        ),
    ]
    description: Annotated[str, Field(max_length=500)] = ""
    permissions: Permissions


class RolePatch(RequestBody):
    """A merge patch (RFC 7396): `permissions` are replaced as a whole."""

    description: Annotated[str, Field(max_length=500, default_factory=str)]
    permissions: Annotated[Permissions, Field(default_factory=list)]


@router.get(
    _PATH,
    responses={
        200: {"model": RolePage},
        **refusals(InvalidInput, InvalidCursor, PermissionDenied),
    },
)
def list_roles(call: Reader, page: PageRequest) -> Response:
    """Roles by name."""
    cursors = call.core.cursors
    after = cursors.decode(_QUERY, page.cursor)[0] if page.cursor is not None else None
    return page_response(
        call.request,
        page,
        call.core.roles.page(call.context(), call.principal, after=after, limit=page.limit + 1),
        item=_role_body,
        cursor=lambda last: cursors.encode(_QUERY, [last.name]),
    )


@router.post(
    _PATH,
    status_code=201,
    responses={
        201: {"model": RoleBody, "headers": VERSIONED},
        **refusals(PermissionDenied, PrivilegeEscalation, RoleTaken, *KEYED),
    },
)
def create_role(call: Writer, key: OptionalKey, body: NewRoleBody) -> Response:
    """Create a role of permissions that one holds oneself."""
    principal = call.principal
    response = answer_once(
        call,
        key,
        work=lambda context: call.core.roles.create(
            context,
            principal,
            name=body.name,
            description=body.description,
            permissions=body.permissions,
        ),
        render=lambda role: stored(_role_body(role), status=201),
    )
    return with_etag(response, location=_PATH, identity="name")


@router.get(
    _ONE,
    openapi_extra={"parameters": [IF_NONE_MATCH]},
    responses={
        200: {"model": RoleBody, "headers": VERSIONED},
        **UNCHANGED,
        **refusals(NotFound, PermissionDenied),
    },
)
def read_role(call: Reader, name: str) -> Response:
    """Read a role."""
    role = call.core.roles.role(call.context(), call.principal, name)
    if unchanged(call.request, role.version):
        return Response(status_code=304, headers={"etag": etag(role.version)})
    return _role_response(role)


@router.patch(
    _ONE,
    openapi_extra={"parameters": [IF_MATCH]},
    responses={200: {"model": RoleBody, "headers": VERSIONED}, **_CHANGE_REFUSALS},
)
def change_role(call: Writer, name: str, body: RolePatch) -> Response:
    """Change a role. Whoever holds it has the new permissions from the next request on."""
    given = body.model_fields_set
    changed = call.core.roles.change(
        call.context(),
        call.principal,
        name,
        description=body.description if "description" in given else None,
        permissions=body.permissions if "permissions" in given else None,
        precondition=partial(expected_version, call.request),
    )
    return _role_response(changed)


@router.delete(
    _ONE,
    status_code=204,
    openapi_extra={"parameters": [IF_MATCH]},
    responses={204: {"description": "Done"}, **_CHANGE_REFUSALS, **refusals(RoleInUse)},
)
def delete_role(call: Writer, name: str) -> Response:
    """Delete a role that nobody holds."""
    call.core.roles.delete(
        call.context(),
        call.principal,
        name,
        precondition=partial(expected_version, call.request),
    )
    return Response(status_code=204)


@router.put(
    _GRANT,
    openapi_extra={"parameters": [IF_MATCH]},
    responses={200: {"model": UserBody, "headers": VERSIONED}, **_GRANT_REFUSALS},
)
def grant_role(call: Granter, user_id: UUID, name: str) -> Response:
    """Grant a role whose permissions one holds oneself."""
    user = call.core.roles.grant(
        call.context(),
        call.principal,
        user_id=user_id,
        name=name,
        precondition=partial(expected_version, call.request),
    )
    return user_response(user)


@router.delete(
    _GRANT,
    openapi_extra={"parameters": [IF_MATCH]},
    responses={
        200: {"model": UserBody, "headers": VERSIONED},
        **_GRANT_REFUSALS,
        **refusals(LastAdministrator),
    },
)
def revoke_role(call: Granter, user_id: UUID, name: str) -> Response:
    """Take a role away. The last active administrator keeps theirs."""
    user = call.core.roles.revoke(
        call.context(),
        call.principal,
        user_id=user_id,
        name=name,
        precondition=partial(expected_version, call.request),
    )
    return user_response(user)


def _role_body(role: Role) -> RoleBody:
    return RoleBody(
        name=role.name,
        description=role.description,
        built_in=role.built_in,
        permissions=sorted(role.permissions),
        created_at=timestamp(role.created_at),
        updated_at=timestamp(role.updated_at),
        version=role.version,
    )


def _role_response(role: Role) -> Response:
    return json_response(_role_body(role), headers={"etag": etag(role.version)})
