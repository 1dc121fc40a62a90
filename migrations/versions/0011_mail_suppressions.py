"""Addresses that no more mail goes to, because mail to them bounced or was complained of.

Revision ID: 0011
Revises: 0010
Create Date: 2026-11-23

The address itself is not kept: the digest is keyed, and nobody reads it back.
"""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_TABLE = """
CREATE TABLE mail_suppressions (
    address_key bytea NOT NULL,
    reason text NOT NULL,
    since timestamptz NOT NULL,
    CONSTRAINT pk_mail_suppressions PRIMARY KEY (address_key),
    CONSTRAINT ck_mail_suppressions_reason CHECK (reason IN ('bounced', 'complained'))
)
"""
_RIGHTS = "GRANT SELECT, INSERT, DELETE ON mail_suppressions TO user_api_app"


def upgrade() -> None:
    for part in (_TABLE, _RIGHTS):
        op.execute(part)


def downgrade() -> None:
    op.execute("DROP TABLE mail_suppressions")
