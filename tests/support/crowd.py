"""Users who differ in all that lists go by, and what a list of them has to hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from core.adapters.postgres.storage import PostgresStorage
from core.domain.directory import UserQuery, UserSort
from core.domain.user import User, UserStatus
from core.ports.runtime import Ids
from tests.support.storage import CONTEXT, IDS, new_user

_MINUTE = timedelta(minutes=1)
_NEVER = datetime.min.replace(tzinfo=UTC)
_STATUSES = (UserStatus.ACTIVE, UserStatus.SUSPENDED, UserStatus.PENDING)


def gather(storage: PostgresStorage, *, size: int, begin: datetime, ids: Ids = IDS) -> list[User]:
    """Commits `size` users, made in threes at each minute from `begin`: every second one has logged
    in, fours at one moment; every third is a supporter, every second is called Ann."""
    made: list[UUID] = []
    with storage.write(CONTEXT) as uow:
        for number in range(size):
            user = new_user(
                id=ids.new(),
                created_at=begin + number // 3 * _MINUTE,
                status=_STATUSES[number % 5 % 3],
                profile={"given_name": "ANN" if number % 2 else "Bob"},
            )
            uow.users.insert(user)
            if number // 2 % 2:
                uow.users.record_login(user.id, now=begin + number // 16 * _MINUTE)
            if number % 3 == 1:
                uow.access.grant(user.id, "support", granted_by=None, now=begin)
            made.append(user.id)
        uow.commit()
    with storage.read() as stores:
        found = [stores.users.by_id(user_id) for user_id in made]
    return [user for user in found if user is not None]


def expected(users: list[User], query: UserQuery) -> list[UUID]:
    """Whom `query` has to find among them, in its order."""
    found = [user for user in users if _fits(user, query)]
    found.sort(key=lambda user: (_key(user, query.sort), user.id), reverse=query.descending)
    return [user.id for user in found]


def walk(storage: PostgresStorage, query: UserQuery, *, limit: int) -> Iterator[list[User]]:
    """Page behind page, until one is not full."""
    after = None
    while True:
        with storage.read() as stores:
            page = list(stores.users.page(query, after=after, limit=limit))
        yield page
        if len(page) < limit:
            return
        before, after = after, query.position(page[-1])
        assert after != before, "the page behind this one begins where it began"


def ids_of(storage: PostgresStorage, query: UserQuery, *, limit: int = 1000) -> list[UUID]:
    return [user.id for page in walk(storage, query, limit=limit) for user in page]


def between(begin: datetime, end: datetime, query: UserQuery) -> UserQuery:
    """The same among those made from `begin` until `end`."""
    return replace(query, created_after=begin, created_before=end)


def _key(user: User, sort: UserSort) -> datetime | str:
    if sort is UserSort.EMAIL:
        return user.email
    return user.created_at if sort is UserSort.CREATED_AT else user.last_login_at or _NEVER


def _fits(user: User, query: UserQuery) -> bool:
    names = (user.email, user.username, user.display_name, user.given_name, user.family_name)
    wanted = query.search
    return (
        (wanted is None or any(name and wanted.lower() in name.lower() for name in names))
        and query.email in {None, user.email}
        and query.status in {None, user.status}
        and (query.role is None or query.role in user.roles)
        and (query.created_after is None or user.created_at >= query.created_after)
        and (query.created_before is None or user.created_at < query.created_before)
    )
