"""Finding and reading users, for administrators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from core.config import Settings
from core.domain.access import Permission, Principal
from core.domain.directory import UserQuery
from core.domain.requests import RequestContext
from core.domain.user import User
from core.errors import NotFound
from core.ports.account_stores import Effort
from core.ports.storage import Storage
from core.services.guards import Guard, asked_for


@dataclass(frozen=True, kw_only=True)
class Directory:
    settings: Settings
    storage: Storage
    guard: Guard

    def user(self, context: RequestContext, principal: Principal, user_id: UUID) -> User:
        """Raises PermissionDenied or NotFound."""
        self.guard.require(context, principal, Permission.USERS_READ, tried=asked_for(user_id))
        with self.storage.read() as stores:
            user = stores.users.by_id(user_id)
        if user is None:
            raise NotFound
        return user

    def page(
        self,
        context: RequestContext,
        principal: Principal,
        query: UserQuery,
        *,
        after: tuple[str, str] | None,
        limit: int,
        costly: Callable[[], object] = lambda: None,
    ) -> Sequence[User]:
        """In the order of the query, behind the position `after`; `costly` is called when a search
        turns out to be broad.

        Raises:
            PermissionDenied, InvalidCursor, SearchTooBroad
        """
        self.guard.require(context, principal, Permission.USERS_READ)
        effort = Effort(rows=self.settings.search_rows, costly=costly)
        with self.storage.read() as stores:
            return stores.users.page(query, after=after, limit=limit, effort=effort)
