"""Every statement that the service runs uses an index, at 100,000 users."""

from __future__ import annotations

import re

import pytest

from tests.plans.explain import Plans
from tests.plans.tour import Tour

pytestmark = [pytest.mark.plans, pytest.mark.timeout(600)]

# Tables that stay small however many users there are.
SMALL_TABLES = {
    "alembic_version",
    "erasure_marks",
    "recovery_epochs",
    "role_permissions",
    "roles",
    "signing_keys",
}

# Indexes without which the tour would still read no large table, each with its reason.
NOT_MISSED = {
    "ix_audit_events_xid_id": "reading events for a seal",
    "ix_audit_events_anonymous": "all events of the time would be passed over for those of nobody",
    "ix_erasure_requests_due_at": "the erasures that are due",
    "ix_sessions_alive": "a page needs no sort; ix_sessions_user_id would do with one",
}

_VALUE = re.compile(r"'(?:[^']|'')*'|\b\d+\b")


def one_of_each(tour: Tour) -> list[str]:
    """The statements of the tour that differ in more than their values."""
    return list({_VALUE.sub("?", sql): sql for sql in tour.wire.queries}.values())


def test_nothing_was_sent_unseen(tour: Tour) -> None:
    """Each statement came as text with its values in it, so that it can be explained as it was."""
    assert tour.wire.queries
    assert not tour.wire.other_messages


def test_every_statement_uses_an_index(tour: Tour, plans: Plans) -> None:
    """No request gets slower because there are more users."""
    assert plans.large_tables == plans.tables - SMALL_TABLES
    found = {sql: faults for sql in tour.wire.queries if (faults := plans.faults(sql))}
    assert not found, "\n\n".join(f"{faults}:\n{sql}" for sql, faults in found.items())


def test_every_index_is_missed(tour: Tour, plans: Plans) -> None:
    """Without any one of them a statement reads a large table, and this suite notices."""
    statements = [sql for sql in one_of_each(tour) if not plans.faults(sql)]
    unmissed = set()
    for index, (table, _) in plans.indexes.items():
        if table not in plans.large_tables:
            continue
        with plans.without(index):
            if not any(plans.faults(sql) for sql in statements if table in sql or plans.calls(sql)):
                unmissed.add(index)
    assert unmissed == NOT_MISSED.keys()
