"""Audit events of a type in the order of their ids, and the mails that were given up.

Revision ID: 0010
Revises: 0009
Create Date: 2026-11-23

Outside of a transaction: building them stops no writer. What an interrupted run left behind is
invalid and goes first. Nobody queues behind the waits for transactions that are under way, so they
may be long.
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_UP = (
    "DROP INDEX CONCURRENTLY IF EXISTS ix_audit_events_type_id",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_audit_events_type_id ON audit_events (type, id)",
    "DROP INDEX CONCURRENTLY IF EXISTS ix_outbox_parked",
    """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_outbox_parked
        ON outbox (parked_at, id) WHERE parked_at IS NOT NULL
    """,
)
_DOWN = (
    "DROP INDEX CONCURRENTLY IF EXISTS ix_outbox_parked",
    "DROP INDEX CONCURRENTLY IF EXISTS ix_audit_events_type_id",
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
