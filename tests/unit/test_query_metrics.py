"""Each statement is counted under its operation and the table that it is about."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import column, exists, func, insert, literal, select, table, text, union_all, update

from core.adapters.postgres.query_metrics import _Labels

ONE, OTHER = table("one", column("id")), table("other_one", column("id"))


class Compiled:
    def __init__(self, statement: Any) -> None:
        self.statement = statement


@pytest.mark.parametrize(
    ("statement", "labels"),
    [
        (insert(ONE), ("insert", "one")),
        (update(ONE), ("update", "one")),
        (select(ONE.c.id), ("select", "one")),
        (select(ONE.join(OTHER, ONE.c.id == OTHER.c.id)), ("select", "one")),
        (select(select(ONE.c.id).subquery()), ("select", "one")),
        (select(union_all(select(ONE.c.id), select(OTHER.c.id)).subquery()), ("select", "one")),
        # Without a FROM of its own it asks something of the tables in its columns.
        (select(exists().where(ONE.c.id == 1)), ("select", "one")),
        (select(func.now(), literal(1)), ("select", "other")),
        (text("SELECT 1"), ("other", "other")),
    ],
)
def test_what_a_statement_is_counted_under(statement: Any, labels: tuple[str, str]) -> None:
    assert _Labels().of(str(statement), Compiled(statement)) == labels


def test_a_statement_that_nobody_compiled_is_counted_too() -> None:
    assert _Labels().of("SELECT 1", None) == ("other", "other")
