"""Asks the core for pages, and PostgreSQL how it found them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg2
from sqlalchemy import Engine, event

from core.bootstrap import Core
from core.domain.access import Permission, Principal
from core.domain.directory import UserQuery, UserSort
from core.domain.requests import RequestContext
from core.domain.trail import AuditQuery
from core.domain.user import User
from core.errors import SearchTooBroad, StorageUnavailable
from tests.plans.explain import Plans

_CONTEXT = RequestContext(request_id="bench")
_ORDERS = {
    UserSort.CREATED_AT: "users.created_at {0}, users.id {0}",
    UserSort.EMAIL: "users.email_normalised {0}",
    UserSort.LAST_LOGIN_AT: "coalesce(last_login_at, '-infinity') {0}, user_id {0}",
}


@dataclass(frozen=True, kw_only=True)
class Timed:
    """The median of some rounds, and how its statements find rows: the leaves of their plans."""

    milliseconds: float
    plan: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.milliseconds:.1f} ms"


class Pages:
    """Works as an administrator on `core`; `failures` grows."""

    def __init__(self, core: Core, superuser_url: str, *, limit: int) -> None:
        self._core = core
        self._limit = limit
        self._connection = psycopg2.connect(superuser_url)
        self._cursor = self._connection.cursor()
        self._plans = Plans(self._cursor)
        self._sent: list[bytes] = []
        self.failures: list[str] = []
        event.listen(Engine, "before_cursor_execute", self._note)
        self._admin = Principal(
            user=self.first_of(UserQuery(role="admin")),
            session_id=UUID(int=0),
            permissions=frozenset(Permission),
        )

    def close(self) -> None:
        event.remove(Engine, "before_cursor_execute", self._note)
        self._connection.close()

    def timed(self, query: UserQuery, *, sort: UserSort, rounds: int) -> Timed:
        asked = replace(query, sort=sort)
        return self._measured(str(asked), lambda: self._page(asked, None), rounds=rounds)

    def against_each_other(
        self, query: UserQuery, *, offset: int, rounds: int
    ) -> tuple[Timed, Timed]:
        """The first page and the one behind `offset` users, in turns."""
        after = self._position(query, offset)
        first = self._measured(str(query), lambda: self._page(query, None), rounds=1)
        deep = self._measured(str(query), lambda: self._page(query, after), rounds=1)
        times: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for position, series in zip((None, after), times, strict=True):
                started = time.perf_counter()
                self._page(query, position)
                series.append((time.perf_counter() - started) * 1000)
        return (
            replace(first, milliseconds=statistics.median(times[0])),
            replace(deep, milliseconds=statistics.median(times[1])),
        )

    def audit(self, query: AuditQuery, *, rounds: int) -> Timed:
        def ask() -> None:
            self._core.trail.page(_CONTEXT, self._admin, query, after=None, limit=self._limit)

        return self._measured(str(query), ask, rounds=rounds)

    def first_of(self, query: UserQuery) -> User:
        with self._core.storage.read() as stores:
            return stores.users.page(query, after=None, limit=1)[0]

    def _page(self, query: UserQuery, after: tuple[str, str] | None) -> None:
        self._core.directory.page(_CONTEXT, self._admin, query, after=after, limit=self._limit)

    def _position(self, query: UserQuery, offset: int) -> tuple[str, str]:
        order = _ORDERS[query.sort].format("DESC" if query.descending else "ASC")
        self._cursor.execute(
            "SELECT users.id FROM users JOIN user_logins ON user_id = users.id"  # noqa: S608  _ORDERS
            f" ORDER BY {order} OFFSET %s LIMIT 1",
            (offset - 1,),
        )
        (found,) = self._cursor.fetchone() or ()
        with self._core.storage.read() as stores:
            user = stores.users.by_id(UUID(found))
        if user is None:
            raise RuntimeError("the user who ends the page has gone")
        return query.position(user)

    def _measured(self, what: str, ask: Callable[[], None], *, rounds: int) -> Timed:
        times = []
        for _ in range(rounds + 1):
            self._sent.clear()
            started = time.perf_counter()
            try:
                # Too broad is an answer, and has to come as fast.
                with suppress(SearchTooBroad):
                    ask()
            except StorageUnavailable:
                self.failures.append(f"ended by its deadline: {what}")
            times.append((time.perf_counter() - started) * 1000)
        statements = [sql.decode() for sql in self._sent]
        faults = [fault for sql in statements for fault in self._plans.faults(sql)]
        self.failures += [f"{fault}: {what}" for fault in faults]
        plan = tuple(dict.fromkeys(leaf for sql in statements for leaf in self._leaves(sql)))
        # The first round fills the caches.
        return Timed(milliseconds=statistics.median(times[1:]), plan=plan)

    def _leaves(self, sql: str) -> list[str]:
        self._cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
        (explained,) = self._cursor.fetchone() or ()
        return list(_leaves(explained[0]["Plan"]))

    def _note(self, _connection: Any, cursor: Any, sql: str, parameters: Any, *_: Any) -> None:
        self._sent.append(cursor.mogrify(sql, parameters))


def _leaves(plan: dict[str, Any]) -> Iterator[str]:
    """Scans of tables and indexes; what is read for each row of a page is left out."""
    kind, read = plan["Node Type"], plan.get("Index Name", plan.get("Relation Name"))
    if read and kind != "Bitmap Heap Scan":
        yield f"{kind} {read}"
    for child in plan.get("Plans", ()):
        if child.get("Parent Relationship") != "SubPlan":
            yield from _leaves(child)
