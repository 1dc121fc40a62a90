"""The statements that find a page of users, each of the parts that are asked for.

A list in the order of an index ends with the page, if enough of those that it passes fit. When few
do, it may pass a million, and PostgreSQL, which takes them to be spread evenly, does not see it
coming. So a page is looked for in a window of the order first, and then among all that fit, or, for
a search, among so many who may fit (docs/decisions/0020).
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
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.sql.elements import ColumnElement

from core.adapters.postgres.columns import LAST_LOGIN, SEARCHED
from core.adapters.postgres.lookups import USER_COLUMNS, Lookup, to_user, user_columns
from core.adapters.postgres.tables import user_logins, user_roles, users
from core.domain.directory import NARROWING, UserSort
from core.domain.user import User

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


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What statements differ in; conditions are fields of UserQuery."""

    sort: UserSort
    descending: bool
    conditions: frozenset[str]
    first: bool

    @property
    def narrowing(self) -> frozenset[str]:
        """The conditions that the index of the order itself can bound."""
        return self.conditions & NARROWING[self.sort]


@lru_cache(maxsize=_SHAPES)
def straight(shape: Shape) -> Lookup[User]:
    """For a query `by_index`."""
    statement = select(*USER_COLUMNS).select_from(_source(shape))
    statement = statement.where(*conditions_on(users, shape.conditions))
    return Lookup(_page(statement, shape, _ORDERS[shape.sort], bindparam("limit")), to_user)


@lru_cache(maxsize=_SHAPES)
def within_window(shape: Shape) -> Lookup[User]:
    """Who fits of the next `window` users in the order: the page, if they fill it."""
    order = _ORDERS[shape.sort]
    passed = (
        select(users, order[0].label("sort_key"))
        .select_from(_source(shape))
        .where(*conditions_on(users, shape.narrowing))
    )
    window = _page(passed, shape, order, bindparam("window")).subquery("passed")
    statement = (
        select(*user_columns(window))
        .where(*conditions_on(window, shape.conditions - shape.narrowing))
        .order_by(*_directed(shape, (window.c.sort_key, window.c.id)))
    )
    return Lookup(statement.limit(bindparam("limit")), to_user)


@lru_cache(maxsize=_SHAPES)
def behind_window(shape: Shape) -> Lookup[bool]:
    """A row, if the order goes on behind the next `window` users."""
    # Every login is a user's: the index of the order alone is read.
    order = _ORDERS[shape.sort]
    ordered = user_logins if shape.sort is UserSort.LAST_LOGIN_AT else users
    passed = select(true()).select_from(ordered).where(*conditions_on(users, shape.narrowing))
    return Lookup(_page(passed, shape, order, 1).offset(bindparam("window")), bool)


@lru_cache(maxsize=_SHAPES)
def among_all(shape: Shape) -> Lookup[User]:
    """Everybody who fits, sorted; the page of them."""
    chosen = _chosen(shape, users, shape.conditions)
    statement = (
        select(*USER_COLUMNS)
        .select_from(users.join(chosen, chosen.c.id == users.c.id))
        .order_by(*_directed(shape, (chosen.c.sort_key, chosen.c.id)))
    )
    return Lookup(statement, to_user)


@lru_cache(maxsize=_SHAPES)
def among_candidates(shape: Shape, conditions: frozenset[str]) -> Lookup[tuple[User | None, int]]:
    """Who fits of `most` users who meet `conditions`: the search alone, or others without it.

    The page of them, sorted, each with the number of those users; that number alone, when nobody
    fits.
    """
    # Behind a subquery, so that PostgreSQL cannot guess how many have it: it always asks the index,
    # and never reads the table because it takes them to be many.
    found = SEARCHED.like(select(_containing("search")).scalar_subquery())
    may_fit = (
        select(*candidate_columns(users))
        .where(*([found] if "search" in conditions else conditions_on(users, conditions)))
        .cte("may_fit")
        .prefix_with("MATERIALIZED")
    )
    # A CTE is planned as if all of it were wanted, and yet read no further than to the limit.
    candidates = (
        select(may_fit).limit(bindparam("most")).cte("candidates").prefix_with("MATERIALIZED")
    )
    chosen = _chosen(shape, candidates, shape.conditions)
    size = select(select(func.count()).select_from(candidates).scalar_subquery().label("size"))
    counted = size.subquery("counted")
    page = users.join(chosen, chosen.c.id == users.c.id)
    statement = (
        select(*USER_COLUMNS, counted.c.size)
        .select_from(counted.outerjoin(page, true()))
        .order_by(*_directed(shape, (chosen.c.sort_key, chosen.c.id)))
    )
    return Lookup(statement, lambda row: (to_user(row) if row[0] else None, row[-1]))


def _chosen(shape: Shape, source: FromClause, conditions: Iterable[str]) -> FromClause:
    """Keys and ids of the page, of those in `source` who fit."""
    key = _ORDERS[shape.sort][0]
    if shape.sort is UserSort.LAST_LOGIN_AT:
        own = user_logins.c.user_id == source.c.id
        key = select(key).where(own).correlate(source).scalar_subquery()
    else:
        key = source.c[str(key.key)]
    # Materialised, or it would be planned for the few that make a page.
    fitting = (
        select(key.label("sort_key"), source.c.id)
        .where(*conditions_on(source, conditions))
        .cte("fitting")
        .prefix_with("MATERIALIZED")
    )
    order = (fitting.c.sort_key, fitting.c.id)[: len(_ORDERS[shape.sort])]
    return _page(select(fitting), shape, order, bindparam("limit")).subquery("chosen")


def _containing(parameter: str) -> ColumnElement[str]:
    return func.lower("%" + bindparam(parameter, type_=Text) + "%")


def _source(shape: Shape) -> FromClause:
    if shape.sort is UserSort.LAST_LOGIN_AT:
        return user_logins.join(users, users.c.id == user_logins.c.user_id)
    return users


def candidate_columns(source: FromClause) -> tuple[ColumnElement[Any], ...]:
    """What conditions and orders go by."""
    columns = source.c
    own = (columns.id, columns.status, columns.created_at, columns.email_normalised)
    return (*own, SEARCHED.label("searched"))


def conditions_on(source: FromClause, names: Iterable[str]) -> list[ColumnElement[bool]]:
    """Conditions of a query on the users in `source`, by their names."""
    of_role = (user_roles.c.user_id == source.c.id, user_roles.c.role == bindparam("role"))
    conditions: Mapping[str, ColumnElement[bool]] = {
        "search": source.c.get("searched", SEARCHED).like(_containing("search")),
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
