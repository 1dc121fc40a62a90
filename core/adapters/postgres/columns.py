"""The metadata, and the kinds of columns that the tables are made of."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ForeignKey, LargeBinary, MetaData, Text, Uuid, func, literal_column
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# Rows that are updated in place again and again.
HOT: dict[str, Any] = {"fillfactor": 80, "autovacuum_vacuum_scale_factor": 0.02}
# Rows that come and go: the dead are removed before a scan has to wade through them.
QUEUE: dict[str, Any] = {"autovacuum_vacuum_scale_factor": 0.01, "autovacuum_vacuum_threshold": 200}

# What a search looks into. No field holds a newline, so nothing is found across two of them. In the
# very parentheses that PostgreSQL shows it in, for `alembic check`.
SEARCHED = literal_column(
    "lower((((((((email || chr(10)) || coalesce(username, ''))"
    " || chr(10)) || coalesce(display_name, '')) || chr(10)) || coalesce(given_name, ''))"
    " || chr(10)) || coalesce(family_name, ''))",
    Text,
)
# Never logged in stands before the first login, in one order with them.
LAST_LOGIN = literal_column("coalesce(last_login_at, '-infinity'::timestamptz)", TIMESTAMP(True))


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


# So that reflection knows it, as it does the types of SQLAlchemy.
ischema_names["xid8"] = Xid8


def moment(name: str, *, nullable: bool = False, now: bool = False) -> Column[Any]:
    """With `now`, when the row was made, unless it says otherwise."""
    default = func.now() if now else None
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable, server_default=default)


def string(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, Text, nullable=nullable)


def octets(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, LargeBinary, nullable=nullable)


def of_user(*, primary_key: bool = False, nullable: bool = False) -> Column[Any]:
    to_user = ForeignKey("users.id", ondelete="CASCADE")
    return Column("user_id", Uuid, to_user, primary_key=primary_key, nullable=nullable)
