"""The index of lists by last login; who never logged in stands before the first.

Revision ID: 0008
Revises: 0007
Create Date: 2026-11-23

Outside of a transaction: building them stops no writer. What an interrupted run left behind is
invalid and goes first. Nobody queues behind the waits for transactions that are under way, so they
may be long.
"""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_UP = (
    "DROP INDEX CONCURRENTLY IF EXISTS ix_user_logins_last",
    """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_user_logins_last
        ON user_logins (coalesce(last_login_at, '-infinity'::timestamptz), user_id)
    """,
)
_DOWN = ("DROP INDEX CONCURRENTLY IF EXISTS ix_user_logins_last",)


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
