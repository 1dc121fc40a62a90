"""What PostgreSQL would do for a statement, and whether it would read a large table whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import cursor as Cursor  # noqa: N812  a class, named as psycopg2 names it

SMALL = 1_000
"""Rows up to which a table may be read whole: that costs as little as an index does."""

MOST_PASSED = 20
"""Rows that may be passed over for each one of a page."""

_EXPLAINABLE = re.compile(r"(SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)
_NOT_EXPLAINABLE = re.compile(r"(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SHOW)\b", re.IGNORECASE)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
# What they hand on is not known before they have read all that stands below them.
_READS_ALL = frozenset({"Sort", "Incremental Sort", "Aggregate", "Hash", "Unique", "SetOp"})
# They read no rows of their own: what they read stands below them, or is named by its place.
_IN_ORDER = frozenset({"Index Scan", "Index Only Scan"})
_READS_NOTHING = frozenset({"ModifyTable", "Bitmap Heap Scan", "Tid Scan"})
# https://www.postgresql.org/docs/15/auto-explain.html
_WATCH = """
LOAD 'auto_explain';
SET LOCAL auto_explain.log_min_duration = 0;
SET LOCAL auto_explain.log_nested_statements = on;
SET LOCAL auto_explain.log_format = json;
SET LOCAL client_min_messages = log;
UPDATE erasure_marks SET reached = '00000000-0000-0000-0000-000000000000'
"""
# It reads as many blocks as its statement asks for, however large the table is.
_BOUNDED = frozenset({"Sample Scan"})


class Plans:
    """Plans by the statistics of the database behind `cursor`, in its transaction."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        cursor.execute(
            "SELECT relname, reltuples FROM pg_class"
            " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        rows: dict[str, float] = dict(cursor.fetchall())
        self._rows = rows
        self.tables = frozenset(rows)
        self.large_tables = frozenset(table for table, count in rows.items() if count > SMALL)
        cursor.execute(
            "SELECT proname FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
        )
        self.functions = frozenset(name for (name,) in cursor.fetchall())
        cursor.execute(
            "SELECT indexrelid::regclass::text, indrelid::regclass::text,"
            " pg_get_indexdef(indexrelid, 1, true) FROM pg_index JOIN pg_class ON oid = indrelid"
            " WHERE relnamespace = 'public'::regnamespace"
        )
        self.indexes: dict[str, tuple[str, str]] = {
            index: (table, _LITERAL.sub("''", first)) for index, table, first in cursor.fetchall()
        }

    def faults(self, sql: str) -> list[str]:
        """Each scan that finds its rows in a large table without the help of an index.

        An index that is read from end to end is no help, nor is one whose first column has no
        condition, unless it is read in its order up to the end of a page and few rows are passed
        over. A statement that cannot be planned is a fault too.
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
        plans = [explained[0]["Plan"], *(self._nested(sql) if self.calls(sql) else ())]
        return [
            fault
            for plan in plans
            for node, ends in _nodes(plan)
            for fault in self._faults(node, ends)
        ]

    def calls(self, sql: str) -> bool:
        """Whether a function does the work, whose statements its plan does not show."""
        return any(name in sql for name in self.functions)

    def _nested(self, sql: str) -> list[dict[str, Any]]:
        """The plans of what the functions run, which is taken back; from the start of whatever
        they go on with."""
        notices: list[str] = self._cursor.connection.notices
        notices.clear()
        self._cursor.execute(_WATCH)
        self._cursor.execute(sql)
        self._cursor.execute("ROLLBACK TO explaining")
        found = [json.loads(each[each.index("{") :]) for each in notices if "plan:" in each]
        notices.clear()
        return [each["Plan"] for each in found]

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

    def _faults(self, node: dict[str, Any], ends_with_page: bool) -> Iterator[str]:
        kind, index = node["Node Type"], node.get("Index Name")
        if index is None:
            table = node.get("Relation Name")
            if table in self.large_tables and kind not in _READS_NOTHING | _BOUNDED:
                yield f"{kind} of {table}"
            return
        table, first = self.indexes[index]
        condition = _LITERAL.sub("''", node.get("Index Cond", ""))
        kept = node["Plan Rows"] * MOST_PASSED >= self._rows[table]
        if table not in self.large_tables or (ends_with_page and kept and kind in _IN_ORDER):
            return
        if not (re.search(rf"(?<!\w){re.escape(first)}(?!\w)", condition) or "~~" in condition):
            yield f"{kind} of {table} by {index} without a condition on {first}"


def _nodes(
    plan: dict[str, Any], *, ends_with_page: bool = False
) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each with whether it is read in its order, until a Limit above has what it wants."""
    yield plan, ends_with_page
    kind = plan["Node Type"]
    for child in plan.get("Plans", ()):
        ends = kind == "Limit" or (ends_with_page and kind not in _READS_ALL)
        first = child.get("Parent Relationship") in {"Outer", "Subquery", "Member"}
        yield from _nodes(child, ends_with_page=ends and first)
