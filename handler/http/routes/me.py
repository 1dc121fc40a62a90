"""One's own account."""

from __future__ import annotations

from starlette.responses import Response

from core.errors import LastAdministrator, UsernameTaken, VersionMismatch
from handler.http.answers import json_response
from handler.http.auth import Signed
from handler.http.body import json_router
from handler.http.etags import IF_MATCH, IF_NONE_MATCH, expected_version
from handler.http.openapi import refusals
from handler.http.users import (
    UNCHANGED,
    VERSIONED,
    Deactivation,
    ProfilePatch,
    UserBody,
    deactivation,
    read_response,
    user_response,
)

router = json_router("Me")

_PATH = "/v1/users/me"


@router.get(
    _PATH,
    openapi_extra={"parameters": [IF_NONE_MATCH]},
    responses={
        200: {"model": UserBody, "headers": VERSIONED},
        **UNCHANGED,
    },
)
def read_me(call: Signed) -> Response:
    """One's own account."""
    return read_response(call.request, call.principal.user)


@router.patch(
    _PATH,
    openapi_extra={"parameters": [IF_MATCH]},
    responses={
        200: {"model": UserBody, "headers": VERSIONED},
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
    return user_response(changed)


@router.delete(
    _PATH,
    status_code=202,
    openapi_extra={"parameters": [IF_MATCH]},
    responses={202: {"model": Deactivation}, **refusals(VersionMismatch, LastAdministrator)},
)
def delete_me(call: Signed) -> Response:
    """Close one's own account at once, and have it erased after a time of grace."""
    principal = call.principal
    due_at = call.core.accounts.deactivate(
        call.context(),
        principal,
        expected_version=expected_version(call.request, principal.user.version),
    )
    return json_response(deactivation(due_at), status=202)
