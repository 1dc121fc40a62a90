"""A plain body that each route accepts, and who sends it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from core.domain.access import Permission
from tests.support.people import PASSWORD, LoggedIn, random_email

ROLE = "bench"
"""A role that has to exist."""

_ALL = [permission.value for permission in Permission]
# Of nobody: a real one is good once.
_CODE = "c" * 43

Members = Mapping[str, Any]
_PLAIN: Mapping[tuple[str, str], Callable[[LoggedIn], Members]] = MappingProxyType(
    {
        ("POST", "/v1/auth/login"): lambda one: {
            "identifier": one.person.email,
            "password": PASSWORD,
        },
        ("POST", "/v1/auth/password/forgot"): lambda one: {"email": one.person.email},
        ("POST", "/v1/auth/password/reset"): lambda _: {"token": _CODE, "password": PASSWORD},
        ("POST", "/v1/auth/refresh"): lambda one: {"refresh_token": one.refresh},
        ("POST", "/v1/auth/register"): lambda _: {"email": random_email(), "password": PASSWORD},
        ("POST", "/v1/auth/verify-email"): lambda _: {"token": _CODE},
        ("POST", "/v1/auth/verify-email/resend"): lambda one: {"email": one.person.email},
        ("POST", "/v1/roles"): lambda _: {
            "name": f"r{secrets.token_hex(8)}",
            "permissions": _ALL,
        },
        ("PATCH", "/v1/roles/{name}"): lambda _: {"permissions": _ALL},
        ("POST", "/v1/users"): lambda _: {"email": random_email()},
        ("PATCH", "/v1/users/me"): lambda _: {"display_name": "Ann"},
        ("POST", "/v1/users/me/password"): lambda _: {
            "current_password": PASSWORD,
            "new_password": "an entirely different sentence",
        },
        ("POST", "/v1/users/search"): lambda _: {"q": "example"},
        ("PATCH", "/v1/users/{user_id}"): lambda _: {"display_name": "Ann"},
    }
)


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One request's path, token and plain body."""

    path: str
    token: str
    plain: Members


class Turns:
    """Of one route. Each turn has an account of its own, as a body that is accepted changes it."""

    def __init__(
        self, method: str, path: str, *, admin: LoggedIn, accounts: Iterator[LoggedIn]
    ) -> None:
        """Raises RuntimeError when nothing is known of the route."""
        plain = _PLAIN.get((method, path))
        if plain is None:
            raise RuntimeError(f"bench/body_routes.py has no plain body for {method} {path}")
        self._plain = plain
        self._path = path
        self._admin = admin
        self._accounts = accounts

    def next(self) -> Turn:
        account = next(self._accounts)
        own = self._path.startswith("/v1/users/me")
        path = self._path.replace("{user_id}", account.person.user_id).replace("{name}", ROLE)
        token = account.access if own else self._admin.access
        return Turn(path=path, token=token, plain=self._plain(account))
