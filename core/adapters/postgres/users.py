"""Users, and when each logged in last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, bindparam, case, exists, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from core.adapters.postgres import directory
from core.adapters.postgres.failures import constraint_of
from core.adapters.postgres.lookups import USER_COLUMNS, Lookup, to_user
from core.adapters.postgres.tables import user_logins, users
from core.domain.directory import UserQuery
from core.domain.user import OPEN_STATUSES, NewUser, User
from core.errors import EmailTaken, UsernameTaken
from core.ports.account_stores import LISTING, Effort

USER_BY_ID: Lookup[User] = Lookup(
    select(*USER_COLUMNS).where(users.c.id == bindparam("user_id")), to_user
)
_USER_BY_EMAIL: Lookup[User] = Lookup(
    select(*USER_COLUMNS).where(users.c.email_normalised == bindparam("email_normalised")),
    to_user,
)
_LOCK = select(users.c.id).where(users.c.id == bindparam("user_id")).with_for_update(key_share=True)
# Without a conflict target it covers each unique constraint, and leaves the transaction usable.
_INSERT = insert(users).on_conflict_do_nothing().returning(users.c.id)
_EMAIL_TAKEN = select(exists().where(users.c.email_normalised == bindparam("email_normalised")))
_MARK_VERIFIED = (
    update(users)
    .where(
        users.c.id == bindparam("user_id"),
        users.c.email_normalised == bindparam("address"),
        users.c.status.in_(OPEN_STATUSES),
    )
    .values(
        email_verified=true(),
        # What was verified before has not changed.
        updated_at=case((users.c.email_verified, users.c.updated_at), else_=bindparam("now")),
        version=case((users.c.email_verified, users.c.version), else_=users.c.version + 1),
    )
    .returning(users.c.id)
)
_login = insert(user_logins).values(user_id=bindparam("user"), last_login_at=bindparam("now"))
_RECORD_LOGIN = _login.on_conflict_do_update(
    index_elements=[user_logins.c.user_id],
    set_={"last_login_at": _login.excluded.last_login_at},
)

_TAKEN = {
    "uq_users_email_normalised": EmailTaken,
    "uq_users_username_normalised": UsernameTaken,
}
_ADDRESS = frozenset({"email", "email_normalised"})
_CHANGEABLE = frozenset(
    {
        "email_verified",
        "username",
        "display_name",
        "given_name",
        "family_name",
        "phone",
        "locale",
        "time_zone",
        "picture",
        "status",
        "attributes",
        "mfa_enabled",
    }
)


class PostgresUsers:
    """Implements UserStore."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def insert(self, user: NewUser) -> None:
        values = {
            "id": user.id,
            "email": user.email,
            "email_normalised": user.email_normalised,
            "email_verified": user.email_verified,
            "status": user.status,
            "created_at": user.created_at,
            "updated_at": user.created_at,
            **_columns({"username": user.username, "attributes": None, **user.profile}),
        }
        if self._connection.execute(_INSERT, values).first() is not None:
            return
        email = {"email_normalised": user.email_normalised}
        if self._connection.execute(_EMAIL_TAKEN, email).scalar_one():
            raise EmailTaken
        raise UsernameTaken

    def by_id(self, user_id: UUID) -> User | None:
        return USER_BY_ID.one(self._connection, user_id=user_id)

    def by_email(self, email_normalised: str) -> User | None:
        return _USER_BY_EMAIL.one(self._connection, email_normalised=email_normalised)

    def locked(self, user_id: UUID) -> User | None:
        # Two, because what the locking one reads beside the row may be older than the row.
        if self._connection.execute(_LOCK, {"user_id": user_id}).first() is None:
            return None
        return self.by_id(user_id)

    def page(
        self,
        query: UserQuery,
        *,
        after: tuple[str, str] | None,
        limit: int,
        effort: Effort = LISTING,
    ) -> Sequence[User]:
        return directory.page(self._connection, query, after=after, limit=limit, effort=effort)

    def update(
        self,
        user_id: UUID,
        changes: Mapping[str, object],
        *,
        expected_version: int | None,
        now: datetime,
    ) -> User | None:
        address = {name: changes[name] for name in _ADDRESS & changes.keys()}
        if len(address) == 1:
            raise KeyError("email and email_normalised change together")
        values = _columns({name: changes[name] for name in changes.keys() - _ADDRESS}) | address
        values |= {"updated_at": now, "version": users.c.version + 1}
        statement = update(users).where(users.c.id == user_id)
        if expected_version is not None:
            statement = statement.where(users.c.version == expected_version)
        changed = Lookup(statement.values(values).returning(*USER_COLUMNS), to_user)
        if not address and "username" not in changes:
            return changed.one(self._connection)
        try:
            # A savepoint, two more round trips: only an address or a name can be taken.
            with self._connection.begin_nested():
                return changed.one(self._connection)
        except IntegrityError as error:
            taken = _TAKEN.get(constraint_of(error) or "")
            if taken is None:
                raise
            raise taken from None

    def mark_email_verified(self, user_id: UUID, *, email_normalised: str, now: datetime) -> bool:
        marked = self._connection.execute(
            _MARK_VERIFIED, {"user_id": user_id, "address": email_normalised, "now": now}
        )
        return marked.first() is not None

    def record_login(self, user_id: UUID, *, now: datetime) -> None:
        self._connection.execute(_RECORD_LOGIN, {"user": user_id, "now": now})


def _columns(changes: Mapping[str, object]) -> dict[str, Any]:
    unknown = changes.keys() - _CHANGEABLE
    if unknown:
        raise KeyError(f"not columns that may change: {sorted(unknown)}")
    values = dict(changes)
    if "username" in values:
        name = values["username"]
        values["username_normalised"] = None if name is None else str(name).lower()
    if "attributes" in values:
        values["attributes"] = values["attributes"] or {}
    return values
