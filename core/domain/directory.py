"""Finding users: what can be asked for, and where a page begins."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from core.domain.addresses import EmailAddress
from core.domain.text import printable
from core.domain.user import User, UserStatus
from core.errors import FieldError, InvalidInput

SHORTEST_SEARCH = 3
LONGEST_SEARCH = 200
# With less to go by, an index of trigrams finds nothing and everybody is read.
FEWEST_SEARCHABLE = 2


class UserSort(StrEnum):
    CREATED_AT = "created_at"
    EMAIL = "email"
    LAST_LOGIN_AT = "last_login_at"


CONDITIONS = ("search", "email", "status", "role", "created_after", "created_before")
"""The fields of UserQuery that are filters."""

NARROWING: Mapping[UserSort, frozenset[str]] = MappingProxyType(
    {
        UserSort.CREATED_AT: frozenset({"status", "created_after", "created_before"}),
        UserSort.EMAIL: frozenset(),
        UserSort.LAST_LOGIN_AT: frozenset(),
    }
)
"""Filters that narrow the index of the order itself."""


@dataclass(frozen=True, kw_only=True)
class UserQuery:
    """All filters have to hold. `email` is the whole address, normalised; `search` is a part of
    address, username or one of the names, in any case.

    `created_after` is inclusive, `created_before` exclusive. Ties go by id; whoever never logged in
    stands before the first login.
    """

    search: str | None = None
    email: str | None = None
    status: UserStatus | None = None
    role: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    sort: UserSort = UserSort.CREATED_AT
    descending: bool = True

    @classmethod
    def checked(
        cls,
        *,
        search: str | None,
        email: str | None,
        status: UserStatus | None,
        role: str | None,
        created_after: datetime | None,
        created_before: datetime | None,
        sort: UserSort,
        descending: bool,
        pointer: str = "",
    ) -> UserQuery:
        """Raises InvalidInput at `pointer` with `/q`, `/email`, `/created_after` or
        `/created_before` behind it."""
        errors = []
        if search is not None and not _searchable(search):
            errors.append(
                FieldError(
                    f"{pointer}/q",
                    f"must be {SHORTEST_SEARCH} to {LONGEST_SEARCH} visible characters, "
                    "two of them letters or digits",
                )
            )
        errors += [
            FieldError(f"{pointer}/{name}", "must have an offset from UTC, such as Z")
            for name, moment in (
                ("created_after", created_after),
                ("created_before", created_before),
            )
            if moment is not None and moment.tzinfo is None
        ]
        if errors:
            raise InvalidInput(errors)
        return cls(
            search=search,
            email=EmailAddress.parse(email, f"{pointer}/email").normalised
            if email is not None
            else None,
            status=status,
            role=role,
            created_after=created_after,
            created_before=created_before,
            sort=sort,
            descending=descending,
        )

    @property
    def conditions(self) -> frozenset[str]:
        """The filters that are set, of CONDITIONS."""
        return frozenset(name for name in CONDITIONS if getattr(self, name) is not None)

    @property
    def by_index(self) -> bool:
        """Whether an index holds exactly what fits, in this order, or one user at most does."""
        return "email" in self.conditions or self.conditions <= NARROWING[self.sort]

    @property
    def name(self) -> str:
        """Equal for equal queries only: cursors are bound to it."""
        moments = (self.created_after, self.created_before)
        parts: Sequence[object] = (
            self.search,
            self.email,
            self.status,
            self.role,
            *(moment and moment.isoformat() for moment in moments),
            self.sort,
            self.descending,
        )
        return "users:" + json.dumps(parts)

    def position(self, user: User) -> tuple[str, str]:
        """Where the page behind `user` begins: the sort key as text, empty for no login, and the
        id."""
        if self.sort is UserSort.EMAIL:
            key = EmailAddress.parse(user.email).normalised
        elif self.sort is UserSort.CREATED_AT:
            key = user.created_at.isoformat()
        else:
            key = user.last_login_at.isoformat() if user.last_login_at else ""
        return key, str(user.id)


def _searchable(text: str) -> bool:
    return (
        SHORTEST_SEARCH <= len(text) <= LONGEST_SEARCH
        and printable(text)
        and sum(map(str.isalnum, text)) >= FEWEST_SEARCHABLE
    )
