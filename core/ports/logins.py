"""Logins at the database that change while the service runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Login:
    username: str
    password: str = field(repr=False)


class LoginSource(Protocol):
    """Where the present login is kept. Both methods are safe for several threads."""

    def current(self) -> Login:
        """The login for a new connection, a minute old at most unless its keeper is silent. Never
        raises."""
        ...

    def after_refusal(self, refused: Login) -> Login | None:
        """Another login than the one that the database refused; None when there is no newer one.
        Never raises."""
        ...


class LoginKeeper(Protocol):
    """Gives the service's logins their passwords. URLs are libpq's, and carry passwords."""

    def other(self, username: str) -> str:
        """The login whose turn is next. Raises ConfigurationError for one that is not the
        service's."""
        ...

    def works(self, url: str) -> bool:
        """Whether this login is let in and has the service's rights.

        Raises:
            ConfigurationError: the URL is none.
            StorageUnavailable: the database does not answer.
        """
        ...

    def set_password(self, url: str, login: Login) -> None:
        """As the administrator of `url`: makes the login if it is missing, with the rights and
        limits of its twin. Doing it again changes nothing but the password's salt.

        Raises:
            ConfigurationError: the login is not the service's, or the database not provisioned.
            StorageUnavailable: the database does not answer, or refuses.
        """
        ...
