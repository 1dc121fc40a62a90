"""Holders of a role in the order of their ids; the index of the role alone goes.

Revision ID: 0009
Revises: 0008
Create Date: 2026-11-23

Outside of a transaction: building them stops no writer. What an interrupted run left behind is
invalid and goes first. Nobody queues behind the waits for transactions that are under way, so they
may be long.
"""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_UP = (
    "DROP INDEX CONCURRENTLY IF EXISTS ix_user_roles_role_user_id",
    """
    CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_user_roles_role_user_id
        ON user_roles (role, user_id)
    """,
    "DROP INDEX CONCURRENTLY IF EXISTS ix_user_roles_role",
)
_DOWN = (
    "DROP INDEX CONCURRENTLY IF EXISTS ix_user_roles_role",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_user_roles_role ON user_roles (role)",
    "DROP INDEX CONCURRENTLY IF EXISTS ix_user_roles_role_user_id",
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
