"""Events of nobody known, for the erasure of their payloads, and the oldest suppressed addresses.

Revision ID: 0015
Revises: 0014
Create Date: 2026-11-30

Outside of a transaction: building them stops no writer. What an interrupted run left behind is
invalid and goes first. Nobody queues behind the waits for transactions that are under way, so they
may be long.
"""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_UP = (
    "DROP INDEX CONCURRENTLY IF EXISTS ix_audit_events_anonymous",
    """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_audit_events_anonymous
        ON audit_events (id) WHERE actor IS NULL AND subject IS NULL
    """,
    "DROP INDEX CONCURRENTLY IF EXISTS ix_mail_suppressions_since",
    """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_mail_suppressions_since
        ON mail_suppressions (since)
    """,
)
_DOWN = (
    "DROP INDEX CONCURRENTLY IF EXISTS ix_mail_suppressions_since",
    "DROP INDEX CONCURRENTLY IF EXISTS ix_audit_events_anonymous",
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '60s'")
        op.execute("SET statement_timeout = '1h'")
        for statement in _UP:
            op.execute(statement)
        op.execute("SET lock_timeout = '500ms'")
        op.execute("SET statement_timeout = '60s'")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '60s'")
        for statement in _DOWN:
            op.execute(statement)
        op.execute("SET lock_timeout = '500ms'")
