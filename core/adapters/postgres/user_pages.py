"""The statements that find a page of users, each of the parts that are asked for.

A list in the order of an index ends with the page, if enough of those that it passes fit. When few
do, it may pass a million, and PostgreSQL, which takes them to be spread evenly, does not see it
coming. So a page is looked for in a window of the order first, and then among all that fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    FromClause,
    Select,
    Text,
    bindparam,
    cast,
    exists,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.sql.elements import ColumnElement

from core.adapters.postgres.columns import LAST_LOGIN, SEARCHED
from core.adapters.postgres.lookups import USER_COLUMNS, Lookup, to_user, user_columns
from core.adapters.postgres.tables import user_logins, user_roles, users
from core.domain.directory import UserSort
from core.domain.user import User

# Passed in a few milliseconds. When it holds no page of 50, less than a twentieth of all users is
# to be expected to fit: gathered in a tenth of a second at a million users.
WINDOW = 1000
# Of three sorts, two directions and seven conditions; those in use are few.
_SHAPES = 256
_TIME = TIMESTAMP(timezone=True)

_Order = Sequence[ColumnElement[Any]]
_ORDERS: Mapping[UserSort, _Order] = {
    UserSort.CREATED_AT: (users.c.created_at, users.c.id),
    # Unique by itself.
    UserSort.EMAIL: (users.c.email_normalised,),
    UserSort.LAST_LOGIN_AT: (LAST_LOGIN, user_logins.c.user_id),
}
_POSITIONS: Mapping[UserSort, _Order] = {
    UserSort.CREATED_AT: (bindparam("key", type_=_TIME), bindparam("after_id")),
    UserSort.EMAIL: (bindparam("key"),),
    # As text, because a datetime cannot be infinite.
    UserSort.LAST_LOGIN_AT: (cast(bindparam("key", type_=Text), _TIME), bindparam("after_id")),
}
# Conditions that narrow the index of the order itself.
_OF_INDEX: Mapping[UserSort, frozenset[str]] = {
    UserSort.CREATED_AT: frozenset({"status", "created_after", "created_before"}),
    UserSort.EMAIL: frozenset(),
    UserSort.LAST_LOGIN_AT: frozenset(),
}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What statements differ in; conditions are fields of UserQuery."""

    sort: UserSort
    descending: bool
    conditions: frozenset[str]
    first: bool

    @property
    def by_index(self) -> bool:
        """Whether an index holds exactly what fits, or one user at most does."""
        return "email" in self.conditions or self.conditions <= _OF_INDEX[self.sort]


@lru_cache(maxsize=_SHAPES)
def straight(shape: Shape) -> Lookup[User]:
    """For a shape `by_index`."""
    statement = select(*USER_COLUMNS).select_from(_source(shape))
    statement = statement.where(*_conditions(users, shape.conditions))
    return Lookup(_page(statement, shape, _ORDERS[shape.sort], bindparam("limit")), to_user)


@lru_cache(maxsize=_SHAPES)
def within_window(shape: Shape) -> Lookup[User]:
    """Who fits of the next WINDOW users in the order: the page, if they fill it."""
    order = _ORDERS[shape.sort]
    of_index = shape.conditions & _OF_INDEX[shape.sort]
    passed = (
        select(users, order[0].label("sort_key"))
        .select_from(_source(shape))
        .where(*_conditions(users, of_index))
    )
    window = _page(passed, shape, order, WINDOW).subquery("passed")
    statement = (
        select(*user_columns(window))
        .where(*_conditions(window, shape.conditions - of_index))
        .order_by(*_directed(shape, (window.c.sort_key, window.c.id)))
    )
    return Lookup(statement.limit(bindparam("limit")), to_user)


@lru_cache(maxsize=_SHAPES)
def among_all(shape: Shape) -> Lookup[User]:
    """Everybody who fits, sorted; the page of them."""
    key = _ORDERS[shape.sort][0]
    if shape.sort is UserSort.LAST_LOGIN_AT:
        own = user_logins.c.user_id == users.c.id
        key = select(key).where(own).correlate(users).scalar_subquery()
    # Materialised, or it would be planned for the few that make a page.
    fitting = (
        select(key.label("sort_key"), users.c.id)
        .where(*_conditions(users, shape.conditions))
        .cte("fitting")
        .prefix_with("MATERIALIZED")
    )
    order = (fitting.c.sort_key, fitting.c.id)[: len(_ORDERS[shape.sort])]
    chosen = _page(select(fitting), shape, order, bindparam("limit")).subquery("chosen")
    statement = (
        select(*USER_COLUMNS)
        .select_from(users.join(chosen, chosen.c.id == users.c.id))
        .order_by(*_directed(shape, (chosen.c.sort_key, chosen.c.id)))
    )
    return Lookup(statement, to_user)


def _source(shape: Shape) -> FromClause:
    if shape.sort is UserSort.LAST_LOGIN_AT:
        return user_logins.join(users, users.c.id == user_logins.c.user_id)
    return users


def _conditions(source: FromClause, names: Iterable[str]) -> list[ColumnElement[bool]]:
    of_role = (user_roles.c.user_id == source.c.id, user_roles.c.role == bindparam("role"))
    conditions: Mapping[str, ColumnElement[bool]] = {
        "search": SEARCHED.like(func.lower("%" + bindparam("search", type_=Text) + "%")),
        "email": source.c.email_normalised == bindparam("email"),
        "status": source.c.status == bindparam("status"),
        "role": exists().where(*of_role),
        "created_after": source.c.created_at >= bindparam("created_after"),
        "created_before": source.c.created_at < bindparam("created_before"),
    }
    return [conditions[name] for name in sorted(names)]


def _page(
    statement: Select[Any], shape: Shape, order: _Order, limit: ColumnElement[int] | int
) -> Select[Any]:
    """Behind the position, up to `limit`."""
    if not shape.first:
        here, there = tuple_(*order), tuple_(*_POSITIONS[shape.sort])
        statement = statement.where(here < there if shape.descending else here > there)
    return statement.order_by(*_directed(shape, order)).limit(limit)


def _directed(shape: Shape, order: _Order) -> list[ColumnElement[Any]]:
    return [column.desc() if shape.descending else column.asc() for column in order]
