"""A row of user_logins for every new user, so that lists by last login hold everybody.

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-23

A trigger, because the version before this one inserts users and does not know of it.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# With the rights of whoever inserts the users. What it names is looked up in one place only,
# whatever the caller's search_path is.
_FUNCTION = """
CREATE FUNCTION add_user_logins() RETURNS trigger
LANGUAGE plpgsql SECURITY INVOKER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO public.user_logins (user_id)
    SELECT added.id FROM added
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION add_user_logins() FROM PUBLIC
"""

_TRIGGER = """
CREATE TRIGGER users_add_user_logins AFTER INSERT ON users
REFERENCING NEW TABLE AS added
FOR EACH STATEMENT EXECUTE FUNCTION add_user_logins()
"""

# The version before this one reads a missing row and an empty one alike.
_NULLABLE = """
-- squawk-ignore ban-drop-not-null
ALTER TABLE user_logins ALTER COLUMN last_login_at DROP NOT NULL
"""


def upgrade() -> None:
    # Users first, as a login does, so that neither waits for the other.
    for part in (_FUNCTION, _TRIGGER, _NULLABLE):
        op.execute(part)


def downgrade() -> None:
    op.execute("DROP TRIGGER users_add_user_logins ON users")
    op.execute("DROP FUNCTION add_user_logins()")
    op.execute("DELETE FROM user_logins WHERE last_login_at IS NULL")
    op.execute("ALTER TABLE user_logins ALTER COLUMN last_login_at SET NOT NULL")
