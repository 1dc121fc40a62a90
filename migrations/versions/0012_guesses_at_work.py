"""Guesses at work, counted beside those that failed.

Revision ID: 0012
Revises: 0011
Create Date: 2026-11-30

The version before this one inserts no such columns and leaves them alone: it counts a guess as a
failure before it knows, and takes it back.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A constant default is no rewrite of the table.
    op.execute(
        "ALTER TABLE throttles ADD COLUMN pending bigint DEFAULT 0 NOT NULL,"
        " ADD COLUMN pending_until timestamptz"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE throttles DROP COLUMN pending, DROP COLUMN pending_until")
