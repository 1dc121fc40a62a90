"""Indexes of users: lists by time and by status, search.

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-23

Outside of a transaction: building them stops no writer. What an interrupted run left behind is
invalid and goes first. Nobody queues behind the waits for transactions that are under way, so they
may be long.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_UP = (
    "DROP INDEX CONCURRENTLY IF EXISTS ix_users_created_at_id",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_users_created_at_id ON users (created_at, id)",
    "DROP INDEX CONCURRENTLY IF EXISTS ix_users_status_created_at_id",
    """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_users_status_created_at_id
        ON users (status, created_at, id)
    """,
    "DROP INDEX CONCURRENTLY IF EXISTS ix_users_search",
    # No field holds a newline, so that nothing is found across two of them.
    """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_users_search ON users USING gin ((lower(
        email || chr(10) || coalesce(username, '') || chr(10) || coalesce(display_name, '')
        || chr(10) || coalesce(given_name, '') || chr(10) || coalesce(family_name, '')
    )) gin_trgm_ops)
    """,
)
_DOWN = (
    "DROP INDEX CONCURRENTLY IF EXISTS ix_users_created_at_id",
    "DROP INDEX CONCURRENTLY IF EXISTS ix_users_status_created_at_id",
    "DROP INDEX CONCURRENTLY IF EXISTS ix_users_search",
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
