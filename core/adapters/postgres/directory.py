"""Finding users."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from core.adapters.postgres.user_pages import Shape, among_all, straight, within_window
from core.domain.directory import UserQuery, UserSort
from core.domain.text import printable
from core.domain.user import User
from core.errors import InvalidCursor

_CONDITIONS = ("search", "email", "status", "role", "created_after", "created_before")
_WILDCARD = re.compile(r"([\\%_])")
_BEFORE_ANY_LOGIN = "-infinity"


def page(
    connection: Connection, query: UserQuery, *, after: tuple[str, str] | None, limit: int
) -> list[User]:
    """One statement, or two when few users fit. Raises InvalidCursor."""
    parameters: dict[str, object] = {
        name: value for name in _CONDITIONS if (value := getattr(query, name)) is not None
    }
    shape = Shape(
        sort=query.sort,
        descending=query.descending,
        conditions=frozenset(parameters),
        first=after is None,
    )
    if query.search is not None:
        parameters["search"] = _WILDCARD.sub(r"\\\1", query.search)
    if after is not None:
        parameters |= _position(query.sort, after)
    parameters["limit"] = limit
    if shape.by_index:
        return straight(shape).all(connection, **parameters)
    found = within_window(shape).all(connection, **parameters)
    return found if len(found) == limit else among_all(shape).all(connection, **parameters)


def _position(sort: UserSort, after: tuple[str, str]) -> dict[str, object]:
    """From `UserQuery.position`."""
    try:
        key, after_id = after
        where = {"after_id": UUID(after_id)}
        if sort is UserSort.EMAIL:
            if not printable(key):
                raise InvalidCursor
            return {"key": key}
        if sort is UserSort.LAST_LOGIN_AT and not key:
            return where | {"key": _BEFORE_ANY_LOGIN}
        moment = datetime.fromisoformat(key)
    except (ValueError, TypeError, AttributeError):
        raise InvalidCursor from None
    if moment.tzinfo is None:
        raise InvalidCursor
    return where | {"key": moment if sort is UserSort.CREATED_AT else moment.isoformat()}
