"""Finding users."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from core.adapters.postgres.searches import Search
from core.adapters.postgres.user_pages import Shape, among_all, straight, within_window
from core.domain.directory import UserQuery, UserSort
from core.domain.text import printable
from core.domain.user import User
from core.errors import InvalidCursor
from core.ports.account_stores import Effort

_WILDCARD = re.compile(r"([\\%_])")
_BEFORE_ANY_LOGIN = "-infinity"
# Of the rows of an effort. A thousand are passed in a few milliseconds. When they hold no page of
# 50, less than a twentieth of all users is to be expected to fit.
_WINDOW = 1 / 20


def page(
    connection: Connection,
    query: UserQuery,
    *,
    after: tuple[str, str] | None,
    limit: int,
    effort: Effort,
) -> list[User]:
    """One statement, or more when few users fit. Raises InvalidCursor, SearchTooBroad."""
    parameters: dict[str, object] = {name: getattr(query, name) for name in query.conditions}
    shape = Shape(
        sort=query.sort,
        descending=query.descending,
        conditions=query.conditions,
        first=after is None,
    )
    if query.search is not None:
        parameters["search"] = _WILDCARD.sub(r"\\\1", query.search)
    if after is not None:
        parameters |= _position(query.sort, after)
    parameters["limit"] = limit
    if query.by_index:
        return straight(shape).all(connection, **parameters)
    window = round(effort.rows * _WINDOW)
    found = within_window(shape).all(connection, window=window, **parameters)
    if len(found) == limit:
        return found
    if query.search is None:
        return among_all(shape).all(connection, **parameters)
    search = Search(connection, query.search, shape, parameters, limit=limit, effort=effort)
    return search.behind_window(window, found)


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
    return where | {"key": moment}
