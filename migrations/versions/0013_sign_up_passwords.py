"""Passwords of sign-ups, recognised by a digest until the sign-up would have run out.

Revision ID: 0013
Revises: 0012
Create Date: 2026-11-30

Neither address nor password is kept: the digest is keyed, and nobody reads it back.
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE sign_up_passwords (
    digest bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT pk_sign_up_passwords PRIMARY KEY (digest)
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 200)
"""
_INDEX = "CREATE INDEX ix_sign_up_passwords_expires_at ON sign_up_passwords (expires_at)"
_RIGHTS = "GRANT SELECT, INSERT, UPDATE, DELETE ON sign_up_passwords TO user_api_app"


def upgrade() -> None:
    for part in (_TABLE, _INDEX, _RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute("DROP TABLE sign_up_passwords")
