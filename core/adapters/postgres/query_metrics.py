"""Counts and times every statement, labelled by operation and main table."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Engine, TableClause, event
from sqlalchemy.sql import CompoundSelect, Delete, Insert, Join, Select, Update
from sqlalchemy.sql.selectable import AliasedReturnsRows
from sqlalchemy.sql.visitors import iterate

from core.ports.runtime import Metrics

# All statements are written in this package; the bound is for a change to that.
_KNOWN_LIMIT = 500
_OTHER = ("other", "other")


def observe(engine: Engine, metrics: Metrics) -> None:
    """Feeds `metrics` from the statements and the pool of `engine`."""
    labels = _Labels()

    def before(
        _connection: Any, _cursor: Any, _sql: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        context.started = time.perf_counter()

    def after(
        _connection: Any, _cursor: Any, sql: str, _parameters: Any, context: Any, _many: bool
    ) -> None:
        operation, table = labels.of(sql, context.compiled)
        metrics.query(
            operation=operation, table=table, seconds=time.perf_counter() - context.started
        )

    def failed(error: Any) -> None:
        context = error.execution_context
        if hasattr(context, "started"):
            after(None, None, error.statement, None, context, False)

    def pool_state() -> tuple[int, int]:
        # Asked of the engine each time: it has another pool after `dispose`.
        pool: Any = engine.pool
        return pool.checkedout(), pool.checkedin()

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)
    metrics.watch_pool(pool_state)


class _Labels:
    def __init__(self) -> None:
        self._known: dict[str, tuple[str, str]] = {}

    def of(self, sql: str, compiled: Any) -> tuple[str, str]:
        found = self._known.get(sql)
        if found is None:
            found = _labels(compiled.statement) if compiled is not None else _OTHER
            if len(self._known) < _KNOWN_LIMIT:
                self._known[sql] = found
        return found


def _labels(statement: Any) -> tuple[str, str]:
    if isinstance(statement, Insert | Update | Delete):
        return statement.__visit_name__, _main_table(statement.table)
    if not isinstance(statement, Select):
        return _OTHER
    # Without a FROM of its own it asks something of the tables in its columns.
    sources = statement.get_final_froms() or [
        element for element in iterate(statement) if isinstance(element, TableClause)
    ]
    return "select", _main_table(sources[0]) if sources else "other"


def _main_table(source: Any) -> str:
    while isinstance(source, Join):
        source = source.left
    if isinstance(source, AliasedReturnsRows):
        return _main_table(source.element)
    if isinstance(source, CompoundSelect):
        return _main_table(source.selects[0])
    if isinstance(source, Select):
        return _labels(source)[1]
    return source.name if isinstance(source, TableClause) else "other"
