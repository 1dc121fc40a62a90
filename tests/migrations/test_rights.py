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
        " aclexplode(relacl) WHERE relnamespace = 'public'::regnamespace AND grantee <> relowner"
        " UNION ALL SELECT grantee::regrole::text, proname, privilege_type, is_grantable"
        " FROM pg_proc, aclexplode(coalesce(proacl, acldefault('f', proowner)))"
        " WHERE pronamespace = 'public'::regnamespace AND grantee <> proowner AND NOT EXISTS"
        " (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')",
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
        "SELECT * FROM erasure_marks",
        "UPDATE erasure_marks SET reached = gen_random_uuid()",
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


CALLS = (
    "SELECT erase_anonymous_payloads('ffffffff-ffff-ffff-ffff-ffffffffffff', 10)",
    "SELECT expire_pending_users('infinity', 10)",
    "SELECT retire_signing_keys('{k}', now())",
)


def test_what_runs_as_the_owner_sees_nothing_that_was_planted(fresh: Database) -> None:
    """Whatever the search_path of the service is: a table of its caller would be written with the
    owner's rights, and a function of its caller would run with them (CVE-2018-1058)."""
    upgrade(fresh.owner)
    key = "INSERT INTO signing_keys VALUES ('k', '{}', '', now(), now())"
    query(fresh.application, key)
    query(
        fresh.superuser,
        "CREATE SCHEMA planted; GRANT ALL ON SCHEMA planted TO user_api;"
        " CREATE TABLE planted.signing_keys (LIKE signing_keys);"
        " INSERT INTO planted.signing_keys SELECT * FROM signing_keys;"
        " GRANT ALL ON planted.signing_keys TO PUBLIC;"
        " CREATE FUNCTION planted.now() RETURNS timestamptz LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE 'planted as %%', current_user; END $$",
    )
    for call in CALLS:
        query(
            fresh.application,
            f"SET search_path = planted, pg_catalog, public; {call}".replace(
                "now()", "pg_catalog.now()"
            ),
        )
    retired = "SELECT count(retired_at) FROM "
    assert query(fresh.superuser, f"{retired} planted.signing_keys") == [(0,)]
    assert query(fresh.superuser, f"{retired} public.signing_keys") == [(1,)]


def test_a_key_that_is_retired_is_not_brought_back(fresh: Database) -> None:
    """Nor is its end put off."""
    upgrade(fresh.owner)
    query(fresh.application, "INSERT INTO signing_keys VALUES ('k', '{}', '', now(), now())")
    retire, ends = "SELECT retire_signing_keys('{k}', %s)", "SELECT retired_at FROM signing_keys"
    assert query(fresh.application, retire, ("2030-01-02",)) == [("k",)]
    before = query(fresh.superuser, ends)
    for later in ("2030-01-03", "infinity", None):
        assert query(fresh.application, retire, (later,)) == []
    assert query(fresh.superuser, ends) == before
    assert query(fresh.application, retire, ("2030-01-01",)) == [("k",)]
