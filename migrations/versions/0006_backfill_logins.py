"""Rows of user_logins for the users of before; a look at the codes of before.

Revision ID: 0006
Revises: 0005
Create Date: 2026-11-23

Outside of a transaction, in batches that commit by themselves, so that no lock is held for long. It
can be interrupted and run again.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_BATCHES = """
DO $$
DECLARE
    done uuid := '00000000-0000-0000-0000-000000000000';
    upto uuid;
BEGIN
    LOOP
        SELECT id INTO upto
        FROM (SELECT id FROM users WHERE id > done ORDER BY id LIMIT 10000) AS batch
        ORDER BY id DESC LIMIT 1;
        EXIT WHEN upto IS NULL;
        INSERT INTO user_logins (user_id)
        SELECT id FROM users WHERE id > done AND id <= upto
        ON CONFLICT DO NOTHING;
        COMMIT;
        done := upto;
    END LOOP;
END
$$
"""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        # All batches are one statement: a minute is too short for tens of millions of users.
        op.execute("SET statement_timeout = '1h'")
        op.execute(_BATCHES)
        op.execute("SET statement_timeout = '60s'")
        op.execute("ALTER TABLE one_time_codes VALIDATE CONSTRAINT ck_one_time_codes_purpose")


def downgrade() -> None:
    pass
