"""Finding users: one statement a page, of the parts that are asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, Text, bindparam, cast, exists, func, select, tuple_
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.sql.elements import ColumnElement

from core.adapters.postgres.columns import LAST_LOGIN, SEARCHED
from core.adapters.postgres.lookups import USER_COLUMNS, Lookup, to_user
from core.adapters.postgres.tables import user_logins, user_roles, users
from core.domain.directory import UserQuery, UserSort
from core.domain.profile import printable
from core.domain.user import User
from core.errors import InvalidCursor

# Of three sorts, two directions, seven conditions: those that are in use are few.
_SHAPES = 256
_WILDCARD = re.compile(r"([\\%_])")
_BEFORE_ANY_LOGIN = "-infinity"

_time = TIMESTAMP(timezone=True)
_ORDERS: Mapping[UserSort, tuple[ColumnElement[Any], ...]] = {
    UserSort.CREATED_AT: (users.c.created_at, users.c.id),
    # Unique by itself.
    UserSort.EMAIL: (users.c.email_normalised,),
    UserSort.LAST_LOGIN_AT: (LAST_LOGIN, user_logins.c.user_id),
}
_POSITIONS: Mapping[UserSort, tuple[ColumnElement[Any], ...]] = {
    UserSort.CREATED_AT: (bindparam("key", type_=_time), bindparam("after_id")),
    UserSort.EMAIL: (bindparam("key"),),
    # As text, because a datetime cannot be infinite.
    UserSort.LAST_LOGIN_AT: (cast(bindparam("key", type_=Text), _time), bindparam("after_id")),
}
_CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    "search": SEARCHED.like(func.lower("%" + bindparam("search", type_=Text) + "%")),
    "email": users.c.email_normalised == bindparam("email"),
    "status": users.c.status == bindparam("status"),
    "role": exists().where(
        user_roles.c.user_id == users.c.id, user_roles.c.role == bindparam("role")
    ),
    "created_after": users.c.created_at >= bindparam("created_after"),
    "created_before": users.c.created_at < bindparam("created_before"),
}


@dataclass(frozen=True, kw_only=True)
class _Shape:
    sort: UserSort
    descending: bool
    conditions: tuple[str, ...]
    first: bool


def page(
    connection: Connection, query: UserQuery, *, after: tuple[str, str] | None, limit: int
) -> list[User]:
    """One statement. Raises InvalidCursor."""
    parameters = {
        name: value for name in _CONDITIONS if (value := getattr(query, name)) is not None
    }
    shape = _Shape(
        sort=query.sort,
        descending=query.descending,
        conditions=tuple(parameters),
        first=after is None,
    )
    if query.search is not None:
        parameters["search"] = _WILDCARD.sub(r"\\\1", query.search)
    if after is not None:
        parameters |= _position(query.sort, after)
    return _lookup(shape).all(connection, **parameters, limit=limit)


@lru_cache(maxsize=_SHAPES)
def _lookup(shape: _Shape) -> Lookup[User]:
    order = _ORDERS[shape.sort]
    statement: Select[Any] = select(*USER_COLUMNS)
    if shape.sort is UserSort.LAST_LOGIN_AT:
        statement = statement.select_from(
            user_logins.join(users, users.c.id == user_logins.c.user_id)
        )
    statement = statement.where(*(_CONDITIONS[name] for name in shape.conditions))
    if not shape.first:
        here, there = tuple_(*order), tuple_(*_POSITIONS[shape.sort])
        statement = statement.where(here < there if shape.descending else here > there)
    statement = statement.order_by(
        *(column.desc() if shape.descending else column.asc() for column in order)
    )
    return Lookup(statement.limit(bindparam("limit")), to_user)


def _position(sort: UserSort, after: tuple[str, str]) -> dict[str, object]:
    """Parameters of `_POSITIONS`, from `UserQuery.position`."""
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
        if moment.tzinfo is None:
            raise InvalidCursor
    except (ValueError, TypeError, AttributeError):
        raise InvalidCursor from None
    return where | {"key": moment if sort is UserSort.CREATED_AT else moment.isoformat()}
