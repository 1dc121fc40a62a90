"""${message}

Revision ID: ${up_revision}
Revises: ${down_revision | comma,n}
Create Date: ${create_date.date()}

The version before this one goes on running on the new schema: expand here, contract in a later
release.
- env.py waits at most 500 ms for a lock and tries again: keep it to one table with a few quick
  statements.
- An index on a table with rows: autocommit_block(), DROP INDEX CONCURRENTLY IF EXISTS of what a
  failed try left invalid, CREATE INDEX CONCURRENTLY IF NOT EXISTS.
- A constraint: ADD ... NOT VALID here, VALIDATE in the next migration.
- A column: nullable or with a constant default; fill it in batches, never in one UPDATE.
- Longer work than a minute: SET LOCAL statement_timeout, with the reason.
- A new table: its GRANTs; afterwards REQUIRED_REVISION in core/adapters/postgres/tables.py.
- Rows are written out, never imported from core: this file must not change when the code does.
"""

from __future__ import annotations

from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
