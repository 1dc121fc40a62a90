"""What each operation of the API needs to succeed: one row for every operation of the document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from core.domain.access import Permission


class Access(StrEnum):
    """Who may call."""

    ANYBODY = "anybody"
    ONESELF = "oneself"
    PERMITTED = "permitted"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """`permission` for PERMITTED. `target` is the state in which the user that the path names has
    to be; `role` is what the role in the path has to be."""

    access: Access
    status: int
    permission: Permission | None = None
    body: Any = None
    with_temporary_password: bool = False
    target: str = "active"
    role: str = "held"


def _open(status: int, body: Any = None) -> Endpoint:
    return Endpoint(access=Access.ANYBODY, status=status, body=body)


def _own(status: int, body: Any = None, *, with_temporary_password: bool = False) -> Endpoint:
    return Endpoint(
        access=Access.ONESELF,
        status=status,
        body=body,
        with_temporary_password=with_temporary_password,
    )


def _needs(
    permission: Permission,
    status: int,
    body: Any = None,
    *,
    target: str = "active",
    role: str = "held",
) -> Endpoint:
    return Endpoint(
        access=Access.PERMITTED,
        status=status,
        permission=permission,
        body=body,
        target=target,
        role=role,
    )


_PASSWORD = "correct horse battery staple"
_EMAIL = {"email": "nobody-yet@example.com"}
_CODE = {"token": "no-code"}
_P = Permission

ENDPOINTS: Mapping[str, Endpoint] = {
    "GET /health": _open(200),
    "GET /health/live": _open(200),
    "GET /health/ready": _open(200),
    "GET /.well-known/jwks.json": _open(200),
    "GET /.well-known/oauth-authorization-server": _open(200),
    "GET /.well-known/change-password": _open(302),
    "POST /v1/auth/register": _open(202, {**_EMAIL, "password": _PASSWORD}),
    "POST /v1/auth/verify-email": _open(400, _CODE),
    "POST /v1/auth/verify-email/resend": _open(202, _EMAIL),
    "POST /v1/auth/password/forgot": _open(202, _EMAIL),
    "POST /v1/auth/password/reset": _open(400, {**_CODE, "password": _PASSWORD}),
    "POST /v1/auth/login": _open(401, {"identifier": "nobody", "password": _PASSWORD}),
    "POST /v1/auth/refresh": _open(401, {"refresh_token": "no-token"}),
    "POST /v1/auth/logout": _own(204, with_temporary_password=True),
    "POST /v1/auth/logout-all": _own(204, with_temporary_password=True),
    "GET /v1/users/me": _own(200),
    "PATCH /v1/users/me": _own(200, {"display_name": "Somebody"}),
    "DELETE /v1/users/me": _own(202),
    "POST /v1/users/me/password": _own(
        204,
        {"current_password": _PASSWORD, "new_password": "another long enough password"},
        with_temporary_password=True,
    ),
    "GET /v1/users/me/sessions": _own(200),
    "DELETE /v1/users/me/sessions/{session_id}": _own(204),
    "GET /v1/users": _needs(_P.USERS_READ, 200),
    "POST /v1/users/search": _needs(_P.USERS_READ, 200, {"limit": 1}),
    "POST /v1/users": _needs(_P.USERS_WRITE, 201, {"display_name": "Somebody new"}),
    "GET /v1/users/{user_id}": _needs(_P.USERS_READ, 200),
    "PATCH /v1/users/{user_id}": _needs(_P.USERS_WRITE, 200, {"display_name": "Else"}),
    "DELETE /v1/users/{user_id}": _needs(_P.USERS_DELETE, 202),
    "POST /v1/users/{user_id}/invite": _needs(_P.USERS_WRITE, 200, target="pending"),
    "POST /v1/users/{user_id}/suspend": _needs(_P.USERS_SUSPEND, 200),
    "POST /v1/users/{user_id}/reactivate": _needs(_P.USERS_SUSPEND, 200, target="suspended"),
    "POST /v1/users/{user_id}/deactivate": _needs(_P.USERS_SUSPEND, 200),
    "POST /v1/users/{user_id}/force-password-reset": _needs(_P.USERS_SUSPEND, 200),
    "POST /v1/users/{user_id}/revoke-sessions": _needs(_P.USERS_SUSPEND, 200),
    "PUT /v1/users/{user_id}/roles/{name}": _needs(_P.ROLES_GRANT, 200, role="empty"),
    "DELETE /v1/users/{user_id}/roles/{name}": _needs(_P.ROLES_GRANT, 200),
    "GET /v1/roles": _needs(_P.ROLES_READ, 200),
    "POST /v1/roles": _needs(_P.ROLES_WRITE, 201, {"permissions": []}),
    "GET /v1/roles/{name}": _needs(_P.ROLES_READ, 200),
    "PATCH /v1/roles/{name}": _needs(_P.ROLES_WRITE, 200, {"description": "Changed"}),
    "DELETE /v1/roles/{name}": _needs(_P.ROLES_WRITE, 204, role="empty"),
    "GET /v1/audit-events": _needs(_P.AUDIT_READ, 200),
}
