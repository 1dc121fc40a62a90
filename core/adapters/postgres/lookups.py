"""Lookups: a statement compiled once, and what to make of its row without any I/O.

So written, one lookup serves any way of running it; parameters are the names of the statement's
bindparams.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, FromClause, Row, Select, UpdateBase, func, select
from sqlalchemy.sql.elements import ColumnElement

from core.adapters.postgres.tables import user_logins, user_roles, users
from core.domain.user import User, UserStatus

T = TypeVar("T")


@dataclass(frozen=True)
class Lookup(Generic[T]):
    """At most one row. `finish` takes it as any sequence, in the order of the columns."""

    statement: Select[Any] | UpdateBase
    finish: Callable[[Sequence[Any]], T]

    def one(self, connection: Connection, **parameters: object) -> T | None:
        """The first row, or None."""
        row = connection.execute(self.statement, parameters).first()
        return None if row is None else self.finish(row)

    def all(self, connection: Connection, **parameters: object) -> list[T]:
        """Every row, for the lists that are read whole."""
        rows: Sequence[Row[Any]] = connection.execute(self.statement, parameters).all()
        return [self.finish(row) for row in rows]


def array(query: Select[Any]) -> ColumnElement[Any]:
    """ARRAY(SELECT ...): empty, not NULL, when there is no row."""
    return func.array(query.scalar_subquery())


def user_columns(source: FromClause) -> tuple[ColumnElement[Any], ...]:
    """What `to_user` takes, of the users in `source`, which has all columns of the table."""
    roles = array(
        select(user_roles.c.role)
        .where(user_roles.c.user_id == source.c.id)
        .order_by(user_roles.c.role)
        .correlate(source)
    )
    last_login = (
        select(user_logins.c.last_login_at)
        .where(user_logins.c.user_id == source.c.id)
        .correlate(source)
        .scalar_subquery()
    )
    return (
        source.c.id,
        source.c.email,
        source.c.email_verified,
        source.c.username,
        source.c.display_name,
        source.c.given_name,
        source.c.family_name,
        source.c.phone,
        source.c.locale,
        source.c.time_zone,
        source.c.picture,
        source.c.status,
        roles,
        source.c.attributes,
        source.c.mfa_enabled,
        source.c.created_at,
        source.c.updated_at,
        last_login,
        source.c.version,
    )


USER_COLUMNS = user_columns(users)


def to_user(row: Sequence[Any]) -> User:
    """From USER_COLUMNS; what follows them is left alone."""
    return User(
        id=row[0],
        email=row[1],
        email_verified=row[2],
        username=row[3],
        display_name=row[4],
        given_name=row[5],
        family_name=row[6],
        phone=row[7],
        locale=row[8],
        time_zone=row[9],
        picture=row[10],
        status=UserStatus(row[11]),
        roles=tuple(row[12]),
        attributes=row[13],
        mfa_enabled=row[14],
        created_at=row[15],
        updated_at=row[16],
        last_login_at=row[17],
        version=row[18],
    )
