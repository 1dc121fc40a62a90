"""`user-api doctor`: what it finds in a database that answers, and behind its mail settings."""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from migrations.runner import downgrade
from tests.support.doctor import Patient, relay_with_login, role

OTHER_KEY = base64.b64encode(b"some quite other key of 32 bytes").decode()


# --- the schema --------------------------------------------------------------------------------


def test_a_schema_one_revision_behind_is_told_to_migrate(patient: Patient) -> None:
    downgrade(patient.clinic.owner(patient.database), "-1")
    code, checks = patient.report()
    assert code == 1
    assert "behind" in checks["schema"]["detail"]
    assert "user-api migrate" in checks["schema"]["remedy"]
    assert checks["outbox"]["detail"] == "needs the schema"
    assert checks["clock"]["status"] == "ok"


def test_an_empty_database_is_told_to_migrate(patient: Patient) -> None:
    downgrade(patient.clinic.owner(patient.database), "base")
    _, checks = patient.report()
    assert "permission denied for table alembic_version" in checks["schema"]["detail"]
    assert "user-api migrate" in checks["schema"]["remedy"]
    patient.superuser("DROP TABLE alembic_version")
    _, checks = patient.report()
    assert checks["schema"]["detail"].startswith("empty")


def test_a_schema_ahead_is_a_warning(patient: Patient) -> None:
    """A newer one does no harm, and everything else is still looked at."""
    patient.superuser("UPDATE alembic_version SET version_num = '9999'")
    code, checks = patient.report()
    assert code == 0
    assert checks["schema"]["status"] == "warn"
    assert "9999, ahead of" in checks["schema"]["detail"]
    assert checks["application_role"]["status"] == "ok"


def test_a_missing_extension_is_told(patient: Patient) -> None:
    patient.superuser("DROP EXTENSION pg_trgm CASCADE")
    _, checks = patient.report()
    assert "pg_trgm" in checks["schema"]["detail"]
    assert "provision.sql" in checks["schema"]["remedy"]


# --- roles and rights --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("REVOKE UPDATE ON users FROM user_api_app", "lacks UPDATE on users"),
        ("GRANT UPDATE ON audit_events TO user_api_app", "has UPDATE on audit_events too much"),
        ("GRANT DELETE ON audit_payloads TO user_api", "has DELETE on audit_payloads too much"),
        ("GRANT TRUNCATE ON sessions TO PUBLIC", "has TRUNCATE on sessions too much"),
        (
            "GRANT UPDATE (payload) ON audit_payloads TO user_api_app",
            "has UPDATE (payload) on audit_payloads too much",
        ),
        ("ALTER TABLE throttles OWNER TO user_api", "the owner of throttles"),
        ("GRANT CREATE ON SCHEMA public TO user_api", "able to create in the schema public"),
    ],
)
def test_rights_that_are_not_those_of_the_table(patient: Patient, change: str, told: str) -> None:
    """One right too few fails a request some day; one too many is a stolen password's."""
    patient.superuser(change)
    code, checks = patient.report()
    assert code == 1
    assert checks["application_role"]["status"] == "fail"
    assert told in checks["application_role"]["detail"]


@pytest.mark.parametrize(
    ("change", "undo", "told"),
    [
        ("ALTER ROLE user_api SUPERUSER", "ALTER ROLE user_api NOSUPERUSER", "superuser"),
        ("ALTER ROLE user_api CREATEROLE", "ALTER ROLE user_api NOCREATEROLE", "CREATEROLE"),
        (
            "GRANT user_api_erasure TO user_api",
            "REVOKE user_api_erasure FROM user_api",
            "a member of user_api_erasure",
        ),
        (
            "GRANT pg_read_all_data TO user_api_app",
            "REVOKE pg_read_all_data FROM user_api_app",
            "a member of pg_read_all_data",
        ),
    ],
)
def test_powers_that_the_service_must_not_have(
    patient: Patient, change: str, undo: str, told: str
) -> None:
    with role(patient.clinic, change, undo):
        code, checks = patient.report()
    assert code == 1
    assert checks["application_role"]["detail"] == f"user_api is {told}"


def test_the_erasure_role_has_its_rights_and_no_others(patient: Patient) -> None:
    patient.superuser("REVOKE DELETE ON audit_payloads FROM user_api_erasure")
    patient.superuser("GRANT DELETE ON audit_events TO user_api_erasure")
    _, checks = patient.report()
    told = checks["erasure_role"]["detail"]
    assert "lacks DELETE on audit_payloads" in told
    assert "has DELETE on audit_events too much" in told


def test_what_may_not_be_read_is_a_failure_of_its_own_check(patient: Patient) -> None:
    patient.superuser("REVOKE ALL ON outbox FROM user_api_app")
    _, checks = patient.report()
    assert "permission denied for table outbox" in checks["outbox"]["detail"]
    assert checks["administrators"]["status"] == "ok"


def test_a_role_without_server_side_deadlines(patient: Patient) -> None:
    """Its statements would run on when the service has given them up."""
    reset = "ALTER ROLE user_api RESET statement_timeout"
    with role(patient.clinic, reset, "ALTER ROLE user_api SET statement_timeout = '2s'"):
        code, checks = patient.report()
    assert code == 0
    assert checks["limits"]["status"] == "warn"
    assert "no statement_timeout" in checks["limits"]["detail"]
    assert "provision.sql" in checks["limits"]["remedy"]


# --- keys, people, worker, mail ----------------------------------------------------------------


def test_a_wrong_secret_key_is_named_as_such(patient: Patient) -> None:
    """Nobody can log in under it, and no key is made."""
    code, checks = patient.report(SECRET_KEY=OTHER_KEY)
    assert code == 1
    assert checks["signing_keys"]["detail"].startswith("SECRET_KEY is not the one")
    assert OTHER_KEY not in str(checks)
    assert patient.report()[1]["signing_keys"]["detail"].endswith("1 published, without an end")


def test_no_key_is_made_where_there_is_none(patient: Patient) -> None:
    patient.superuser("DELETE FROM signing_keys")
    for _ in range(2):
        _, checks = patient.report()
        assert checks["signing_keys"]["status"] == "warn"
        assert "none yet" in checks["signing_keys"]["detail"]


@pytest.mark.parametrize(
    "change", ["DELETE FROM user_roles", "UPDATE users SET status = 'suspended'"]
)
def test_no_active_administrator(patient: Patient, change: str) -> None:
    patient.superuser(change)
    code, checks = patient.report()
    assert code == 1
    assert "user-api admin create" in checks["administrators"]["remedy"]


def message(*, due: str, parked: str) -> str:
    return (
        "INSERT INTO outbox (id, kind, payload, created_at, due_at, parked_at, last_error)"
        f" VALUES (gen_random_uuid(), 'mail', '{{}}', now() - interval '1 hour', {due}, {parked},"
        " 'the relay answered 550 no')"
    )


def test_a_parked_message_is_told_with_its_reason(patient: Patient) -> None:
    patient.superuser(message(due="now()", parked="now()"))
    code, checks = patient.report()
    assert code == 0
    assert checks["outbox"]["status"] == "warn"
    assert "1 parked" in checks["outbox"]["detail"]
    assert "550 no" in checks["outbox"]["detail"]


def test_a_message_that_nobody_takes_is_a_worker_that_does_not_run(patient: Patient) -> None:
    patient.superuser(message(due="now() - interval '4 minutes'", parked="NULL"))
    assert patient.report()[1]["outbox"]["status"] == "ok"
    patient.superuser(message(due="now() - interval '6 minutes'", parked="NULL"))
    code, checks = patient.report()
    assert code == 1
    assert checks["outbox"]["detail"].startswith("2 waiting, 1 overdue, 0 parked")
    assert "user-api worker" in checks["outbox"]["remedy"]


def test_what_nobody_deletes_is_a_worker_that_does_not_run(patient: Patient) -> None:
    row = "INSERT INTO throttles VALUES ('x', 1, now() - interval '%s')"
    patient.superuser(row % "50 minutes")
    assert patient.report()[1]["housekeeping"]["status"] == "ok"
    patient.superuser("UPDATE throttles SET expires_at = now() - interval '2 hours'")
    _, checks = patient.report()
    assert checks["housekeeping"]["status"] == "warn"
    assert "2.0 hours" in checks["housekeeping"]["detail"]


def test_a_relay_that_is_down(patient: Patient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    code, checks = patient.report(MAIL_URL=f"smtp://127.0.0.1:{port}")
    assert code == 1
    assert "refused" in checks["mail"]["detail"]
    assert "MAIL_URL" in checks["mail"]["remedy"]


def test_a_relay_that_refuses_the_login(patient: Patient) -> None:
    with relay_with_login(b"535 no, wr0ng-secret\r\n", []) as port:
        _, checks = patient.report(MAIL_URL=f"smtp://relay:wr0ng-secret@127.0.0.1:{port}")
    assert "535 the login was refused" in checks["mail"]["detail"]
    assert "wr0ng-secret" not in str(checks)


def test_a_mail_folder_that_cannot_be_written(patient: Patient, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    code, checks = patient.report(MAIL_URL=f"directory://{tmp_path}/file/mail")
    assert code == 1
    assert "mail folder" in checks["mail"]["detail"]


def test_redis_that_does_not_answer_is_a_warning(
    patient: Patient, redis_urls: Callable[[str], str]
) -> None:
    """The service works without, so it is no failure; its password is not shown."""
    url = redis_urls("tls")
    # Its time is 60 ms, and the machine does ten things at once.
    answers = (patient.report(REDIS_URL=url)[1]["redis"] for _ in range(5))
    assert "answers in time" in (each["detail"] for each in answers)
    nobody = urlsplit(redis_urls("nobody")).netloc.rpartition("@")[2]
    code, checks = patient.report(REDIS_URL=f"redis://user:s3cr3t-of-mine@{nobody}")
    assert code == 0
    assert checks["redis"]["status"] == "warn"
    assert "s3cr3t" not in str(checks)


def test_hashes_weaker_than_recommended(patient: Patient) -> None:
    _, checks = patient.report(ARGON2_MEMORY_KIB="7168", ARGON2_ITERATIONS="1")
    assert checks["hashing"]["status"] == "warn"
    assert "OWASP" in checks["hashing"]["detail"]
