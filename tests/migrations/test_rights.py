"""What a stolen password of the service could do to the database, and what not."""

from __future__ import annotations

import psycopg2
import pytest

from core.adapters.postgres.rights import RIGHTS
from migrations.runner import upgrade
from tests.migrations.conftest import Database
from tests.support.storage import query


def test_each_role_has_exactly_the_rights_of_this_table(fresh: Database) -> None:
    """Nothing is granted to everybody, and no right can be handed on."""
    upgrade(fresh.owner)
    rows = query(
        fresh.superuser,
        "SELECT grantee::regrole::text, relname, privilege_type, is_grantable FROM pg_class,"
        " aclexplode(relacl) WHERE relnamespace = 'public'::regnamespace AND grantee <> relowner",
    )
    found: dict[str, dict[str, set[str]]] = {}
    for role, table, right, grantable in rows:
        found.setdefault(role, {}).setdefault(table, set()).add(right)
        assert not grantable
    assert found == RIGHTS


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_events SET type = 'x'",
        "DELETE FROM audit_events",
        "TRUNCATE audit_events CASCADE",
        "UPDATE audit_payloads SET payload = '{}'",
        "DELETE FROM audit_payloads",
        "SELECT * FROM audit_events FOR UPDATE",
        "ALTER TABLE audit_events DISABLE TRIGGER ALL",
        "INSERT INTO recovery_epochs VALUES (9, 'all', NULL, now())",
        "DELETE FROM recovery_epochs",
        "UPDATE role_permissions SET permission = 'users:write'",
        "DELETE FROM signing_keys",
        "DELETE FROM user_logins",
        "SELECT add_user_logins()",
        "UPDATE signing_keys SET retired_at = NULL",
        "DELETE FROM users",
        "UPDATE alembic_version SET version_num = '0000'",
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "ALTER TABLE users ADD COLUMN mine int",
        "DROP TABLE throttles",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "SET ROLE user_api_erasure",
        "SET ROLE user_api_owner",
    ],
)
def test_the_service_may_not(database_url: str, statement: str) -> None:
    """Rewrite history, change the schema, widen its rights, or become another role."""
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query(database_url, statement)
