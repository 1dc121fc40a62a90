"""Users, for administrators: inviting them, and letting them in or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from starlette.responses import Response
from typing_extensions import TypedDict

from core.domain.access import Permission
from core.domain.requests import StoredAnswer
from core.domain.user import User
from core.errors import (
    LastAdministrator,
    NotFound,
    PermissionDenied,
    PrivilegeEscalation,
    StateConflict,
    VersionMismatch,
)
from handler.http.auth import SignedCall, needs
from handler.http.body import json_router
from handler.http.etags import IF_MATCH, expected_version
from handler.http.idempotency import (
    KEYED,
    Key,
    OptionalKey,
    answer_once,
    answer_once_in_steps,
    stored,
)
from handler.http.openapi import refusals
from handler.http.users import VERSIONED, UserBody, user_body, with_etag

router = json_router("Users")

Inviter = Annotated[SignedCall, needs(Permission.USERS_WRITE)]
Suspender = Annotated[SignedCall, needs(Permission.USERS_SUSPEND)]

_ONE = "/v1/users/{user_id:uuid}"
_REFUSALS = refusals(NotFound, PermissionDenied, PrivilegeEscalation, VersionMismatch, *KEYED)
_USER: dict[int | str, dict[str, Any]] = {
    200: {"model": UserBody, "headers": VERSIONED},
    **_REFUSALS,
}
_PARAMETERS = {"parameters": [IF_MATCH]}


class RevokedSessions(TypedDict):
    revoked: int


@router.post(
    _ONE + "/invite",
    openapi_extra=_PARAMETERS,
    responses={**_USER, **refusals(StateConflict, *KEYED)},
)
def invite_user(call: Inviter, user_id: UUID, key: OptionalKey) -> Response:
    """Mail a pending user a link to choose a password. Earlier links end."""
    return _changed(call, key, user_id, call.core.administration.invite)


@router.post(
    _ONE + "/suspend",
    openapi_extra=_PARAMETERS,
    responses={**_USER, **refusals(StateConflict, LastAdministrator, *KEYED)},
)
def suspend_user(call: Suspender, user_id: UUID, key: OptionalKey) -> Response:
    """End all sessions of a user, and let them in no more."""
    return _changed(call, key, user_id, call.core.lifecycle.suspend)


@router.post(_ONE + "/reactivate", openapi_extra=_PARAMETERS, responses=_USER)
def reactivate_user(call: Suspender, user_id: UUID, key: OptionalKey) -> Response:
    """Let a suspended or deactivated user in again.

    An erasure that is due is cancelled, which takes the scope `users:delete` too.
    """
    return _changed(call, key, user_id, call.core.lifecycle.reactivate)


@router.post(
    _ONE + "/deactivate",
    openapi_extra=_PARAMETERS,
    responses={**_USER, **refusals(LastAdministrator, *KEYED)},
)
def deactivate_user(call: Suspender, user_id: UUID, key: OptionalKey) -> Response:
    """Close an account and keep its data."""
    return _changed(call, key, user_id, call.core.lifecycle.deactivate)


@router.post(
    _ONE + "/force-password-reset",
    openapi_extra=_PARAMETERS,
    responses={**_USER, **refusals(StateConflict, *KEYED)},
)
async def force_password_reset(call: Suspender, user_id: UUID, key: OptionalKey) -> Response:
    """End password and sessions of a user at once. A mail says where to choose a new one."""
    principal = await call.in_thread(lambda: call.principal)
    force = call.core.lifecycle.force_password_reset.steps
    response = await answer_once_in_steps(
        call,
        key,
        work=lambda context: force(
            context, principal, user_id, precondition=partial(expected_version, call.request)
        ),
        render=_rendered,
    )
    return with_etag(response)


@router.post(
    _ONE + "/revoke-sessions",
    openapi_extra=_PARAMETERS,
    responses={200: {"model": RevokedSessions}, **_REFUSALS},
)
def revoke_sessions(call: Suspender, user_id: UUID, key: OptionalKey) -> Response:
    """End all sessions of a user."""
    principal = call.principal
    return answer_once(
        call,
        key,
        work=lambda context: call.core.lifecycle.revoke_sessions(
            context, principal, user_id, precondition=partial(expected_version, call.request)
        ),
        render=lambda count: stored(RevokedSessions(revoked=count), status=200),
    )


def _changed(
    call: SignedCall, key: Key | None, user_id: UUID, change: Callable[..., User]
) -> Response:
    principal = call.principal
    response = answer_once(
        call,
        key,
        work=lambda context: change(
            context, principal, user_id, precondition=partial(expected_version, call.request)
        ),
        render=_rendered,
    )
    return with_etag(response)


def _rendered(user: User) -> StoredAnswer:
    return stored(user_body(user), status=200)
