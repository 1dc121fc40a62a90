"""Rows that a test holds until requests wait for them, so that the order of things is known."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2

_WAITING = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND backend_type = 'client backend'"
)


@dataclass(frozen=True)
class Held:
    """A transaction that is open; it is committed at the end."""

    holder: Any
    watch: Any

    def run(self, sql: str, parameters: tuple[object, ...]) -> Any:
        """The one row of a statement in it, if there is one."""
        self.holder.execute(sql, parameters)
        return self.holder.fetchone() if self.holder.description else None

    def until(self, number: int) -> None:
        """Returns when at least so many wait for a lock in this database."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            self.watch.execute(_WAITING)
            (waiting,) = self.watch.fetchone()
            if waiting >= number:
                return
            time.sleep(0.005)
        raise AssertionError(f"{number} do not wait")


@contextmanager
def held(url: str, *statements: str, of: str = "") -> Iterator[Held]:
    """Runs statements whose parameters are all the id `of`, and holds what they have locked;
    without statements it only watches."""
    with closing(psycopg2.connect(url)) as holding, closing(psycopg2.connect(url)) as looking:
        looking.autocommit = True
        with holding, holding.cursor() as holder, looking.cursor() as watch:
            for statement in statements:
                holder.execute(statement, {"id": of})
            yield Held(holder, watch)
