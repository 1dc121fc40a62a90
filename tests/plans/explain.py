"""What PostgreSQL would do for a statement, and whether it would read a large table whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class, named as psycopg2 names it

SMALL = 1_000
"""Rows up to which a table may be read whole: that costs as little as an index does."""

_EXPLAINABLE = re.compile(r"(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)
_NOT_EXPLAINABLE = re.compile(r"(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SHOW)\b", re.IGNORECASE)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
# They read no rows of their own: what they read stands below them, or is named by its place.
_READS_NOTHING = frozenset({"ModifyTable", "Bitmap Heap Scan", "Tid Scan"})


class Plans:
    """Plans by the statistics of the database behind `cursor`, in its transaction."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        cursor.execute(
            "SELECT relname, reltuples FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        rows: dict[str, float] = dict(cursor.fetchall())
        self.tables = frozenset(rows)
        self.large_tables = frozenset(table for table, count in rows.items() if count > SMALL)
        cursor.execute(
            "SELECT indexrelid::regclass::text, indrelid::regclass::text,"
            " pg_get_indexdef(indexrelid, 1, true) FROM pg_index JOIN pg_class ON oid = indrelid"
            " WHERE relnamespace = 'public'::regnamespace"
        )
        self.indexes: dict[str, tuple[str, str]] = {
            index: (table, first) for index, table, first in cursor.fetchall()
        }

    def faults(self, sql: str) -> list[str]:
        """Each scan that finds its rows in a large table without the help of an index.

        An index that is read from end to end is no help, nor is one whose first column has no
        condition. A statement that cannot be planned is a fault too.
        """
        if not _EXPLAINABLE.match(sql):
            assert _NOT_EXPLAINABLE.match(sql), f"what kind of statement is this? {sql}"
            return []
        self._cursor.execute("SAVEPOINT explaining")
        try:
            self._cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            (explained,) = self._cursor.fetchone() or ()
        except psycopg2.Error as error:
            self._cursor.execute("ROLLBACK TO explaining")
            return [f"cannot be planned: {error}"]
        return [fault for node in _nodes(explained[0]["Plan"]) for fault in self._faults(node)]

    @contextmanager
    def without(self, index: str) -> Iterator[None]:
        """As if the index, and the constraint that it carries, had been forgotten."""
        table, _ = self.indexes[index]
        self._cursor.execute("SET LOCAL lock_timeout = '10s'; SAVEPOINT before")
        self._cursor.execute(
            "SELECT conname FROM pg_constraint WHERE conindid = %s::regclass"
            " AND conrelid = %s::regclass",
            (index, table),
        )
        if constraint := self._cursor.fetchone():
            self._cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint[0]} CASCADE")
        else:
            self._cursor.execute(f"DROP INDEX {index}")
        yield
        self._cursor.execute("ROLLBACK TO before")

    def _faults(self, node: dict[str, Any]) -> Iterator[str]:
        kind, index = node["Node Type"], node.get("Index Name")
        if index is None:
            table = node.get("Relation Name")
            if table in self.large_tables and kind not in _READS_NOTHING:
                yield f"{kind} of {table}"
            return
        table, first = self.indexes[index]
        condition = _LITERAL.sub("''", node.get("Index Cond", ""))
        if table in self.large_tables and not re.search(rf"\b{re.escape(first)}\b", condition):
            yield f"{kind} of {table} by {index} without a condition on {first}"


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
