"""`user-api doctor`: each fault made for real, named by its check, with the way to mend it."""

from __future__ import annotations

import base64
import contextlib
import gc
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from core.bootstrap import build_diagnosis
from core.config.examination import Examination
from migrations.runner import downgrade
from tests.support.doctor import NAMES, Clinic, Patient
from tests.support.local_postgres import server_process
from tests.support.processes import Command, run_command
from tests.support.smtp_relay import converse, scripted_relay
from tests.support.storage import query

OTHER_KEY = base64.b64encode(b"some quite other key of 32 bytes").decode()
OF_THE_DATABASE = NAMES[NAMES.index("database") + 1 : NAMES.index("redis")]


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    with Clinic.opened(tmp_path_factory.mktemp("clinic")) as opened:
        yield opened


@pytest.fixture
def patient(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Patient]:
    with clinic.database() as name:
        yield Patient(clinic, name, clinic.settings(name), monkeypatch, capsys)


@contextlib.contextmanager
def role(clinic: Clinic, change: str, undo: str) -> Iterator[None]:
    """Roles are shared by all databases of the cluster."""
    query(clinic.postgres.superuser_url, change)
    try:
        yield
    finally:
        query(clinic.postgres.superuser_url, undo)


def relay_with_login(verdict: bytes, heard: list[bytes]) -> contextlib.AbstractContextManager[int]:
    """A relay that answers each login so, and keeps the commands it hears; the value is its port.

    aiosmtpd refuses to take a login without TLS.
    """

    def part(caller: socket.socket) -> None:
        caller.sendall(b"220 relay.example.com\r\n")
        offer = b"250-relay.example.com\r\n250 AUTH PLAIN\r\n"
        converse(caller, {b"EHLO": offer, b"AUTH": verdict, b"QUIT": b"221 bye\r\n"}, heard=heard)

    return scripted_relay(part)


def as_in_production(patient: Patient, relay_port: int) -> dict[str, str]:
    """libpq ignores sslmode on a socket of this machine."""
    return {
        **patient.settings,
        "ENVIRONMENT": "production",
        "DATABASE_URL": patient.settings["DATABASE_URL"] + "&sslmode=verify-full",
        "MAIL_URL": f"smtp://relay:pa55w0rd-of-mail@127.0.0.1:{relay_port}",
    }


def test_a_healthy_production_is_ok_from_first_to_last(patient: Patient, tmp_path: Path) -> None:
    """All checks run, as a process with its own environment, and nothing was sent or changed."""
    heard: list[bytes] = []
    patient.clinic.durable(on=True)
    with relay_with_login(b"235 welcome\r\n", heard) as port:
        settings = as_in_production(patient, port)
        done = run_command("doctor", settings=settings, cwd=tmp_path)
        _, checks = patient.report(**settings)
    patient.clinic.durable(on=False)
    assert heard == [b"EHLO", b"AUTH", b"QUIT"] * 2
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["ok", name] for name in NAMES]
    assert lines[-1] == f"{len(NAMES)} ok"
    assert {each["status"] for each in checks.values()} == {"ok"}
    assert "logged in" in checks["mail"]["detail"]
    assert "pa55w0rd" not in done.stdout


def test_a_wrong_configuration_still_gives_a_whole_report(patient: Patient) -> None:
    """Each fault by its variable, and whatever does not depend on it is looked at all the same."""
    code, checks = patient.report(
        REQUEST_TIMEOUT="soon", MAIL_URL="", SECRET_KEY="short", REDIS_URL="localhost:6379"
    )
    assert code == 1
    told = checks["configuration"]["detail"]
    assert all(name in told for name in ("REQUEST_TIMEOUT", "MAIL_URL", "SECRET_KEY", "REDIS_URL"))
    assert "soon" not in told
    assert checks["mail"]["detail"] == "needs MAIL_URL"
    assert checks["redis"]["detail"] == "needs REDIS_URL"
    assert checks["signing_keys"]["detail"] == "needs SECRET_KEY"
    for name in ("database", "application_role", "outbox", "hashing"):
        assert checks[name]["status"] == "ok", checks[name]
    _, text = patient.text(REQUEST_TIMEOUT="soon")
    assert text.startswith("fail configuration")


def test_nothing_set_at_all_is_a_report_too(tmp_path: Path) -> None:
    """Whoever starts with nothing is told what to set."""
    done = run_command("doctor", settings={}, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "")
    for name in ("SECRET_KEY", "DATABASE_URL", "MAIL_URL"):
        assert f"{name} is not set" in done.stdout


def test_a_url_that_cannot_be_used_is_told_without_its_password(patient: Patient) -> None:
    """Well-formed settings may still be refused by what uses them."""
    url = "postgresql://user_api:s3cr3t-of-mine@127.0.0.1/x?colour=blue"
    _, checks = patient.report(DATABASE_URL=url, MAIL_URL="smtp://user:s3cr3t-of-mine@/")
    assert checks["database"]["status"] == "fail"
    assert "MAIL_URL must look like" in checks["mail"]["detail"]
    assert "s3cr3t" not in str(checks)


def test_values_that_production_refuses_are_warned_of_before(patient: Patient) -> None:
    code, checks = patient.report()
    assert code == 0
    assert checks["configuration"]["status"] == "ok"
    assert checks["production_values"]["status"] == "warn"
    assert "MAIL_URL must be smtp or smtps" in checks["production_values"]["detail"]
    code, checks = patient.report(ENVIRONMENT="production")
    assert code == 1
    assert "MAIL_URL must be smtp or smtps" in checks["configuration"]["detail"]
    assert checks["database"]["status"] == "ok"


def test_a_misspelt_variable_is_named_with_the_one_that_was_meant(patient: Patient) -> None:
    """Its value may be a secret, and is not shown."""
    _, checks = patient.report(DATABSE_URL="postgresql://x:s3cr3t@y/z", AWS_SECRET_KEY="x")
    found = checks["unknown_variables"]
    assert found["status"] == "warn"
    assert found["detail"] == "DATABSE_URL is read by nobody"
    assert "DATABASE_URL" in found["remedy"]
    assert "s3cr3t" not in str(checks)


# --- the database does not answer --------------------------------------------------------------


def skipped(checks: dict[str, dict[str, str]]) -> bool:
    """All that needs the database, and nothing else."""
    waiting = [checks[name] for name in OF_THE_DATABASE]
    assert checks["hashing"]["status"] == checks["mail"]["status"] == "ok"
    return all(
        (each["status"], each["detail"]) == ("skip", "needs the database") for each in waiting
    )


def test_a_wrong_password_is_named_as_such(patient: Patient) -> None:
    url = patient.clinic.url(patient.database, password="wr0ng-p4ssword")
    code, checks = patient.report(DATABASE_URL=url)
    assert code == 1
    assert "password authentication failed" in checks["database"]["detail"]
    assert "ALTER ROLE" in checks["database"]["remedy"]
    assert skipped(checks)
    assert "wr0ng-p4ssword" not in str(checks)


def test_a_password_that_is_not_escaped_is_not_shown(patient: Patient) -> None:
    """Drivers take what stands behind its @ for the host, and tell the host."""
    url = "postgresql://user_api:first-h4lf@second-h4lf@127.0.0.1:1/user_api"
    code, checks = patient.report(DATABASE_URL=url)
    assert code == 1
    assert "h4lf" not in str(checks)


def test_a_closed_port_is_named_as_such(patient: Patient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    _, checks = patient.report(DATABASE_URL=f"postgresql://user_api@127.0.0.1:{port}/user_api")
    assert "refused" in checks["database"]["detail"]
    assert f"127.0.0.1:{port}/" in checks["database"]["detail"]
    assert "host and port" in checks["database"]["remedy"]
    assert skipped(checks)


def test_a_database_that_is_missing_is_named_as_such(patient: Patient) -> None:
    url = patient.clinic.url("no_such_database")
    _, checks = patient.report(DATABASE_URL=url)
    assert "does not exist" in checks["database"]["detail"]
    assert "migrate" in checks["database"]["remedy"]


@contextlib.contextmanager
def frozen(clinic: Clinic, *, backends_too: bool = False) -> Iterator[None]:
    """The process that takes connections, for 20 s at most, and those of each connection."""
    server = server_process(clinic.folder / "data")
    stopped = [server, *(server.children() if backends_too else ())]

    def thaw() -> None:
        for each in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()

    timer = threading.Timer(20, thaw)
    for each in stopped:
        each.suspend()
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        thaw()


def test_a_frozen_server_costs_one_deadline(patient: Patient) -> None:
    """Not one for each check."""
    with frozen(patient.clinic):
        started = time.monotonic()
        code, checks = patient.report(DATABASE_CONNECT_TIMEOUT="1")
        took = time.monotonic() - started
        # A traceback still holds the connection, which the thawed server would wait for.
        gc.collect()
    assert code == 1
    assert "in time" in checks["database"]["detail"]
    assert skipped(checks)
    assert took < 2.5


def test_a_server_that_freezes_halfway_costs_one_deadline_too(patient: Patient) -> None:
    """What is left to ask is skipped, and what needs no database is still looked at."""
    examined = Examination.of({**patient.settings, "DATABASE_STATEMENT_TIMEOUT": "0.5"})
    running = build_diagnosis(examined).run()
    before = list(itertools.takewhile(lambda check: check.name != "server", running))
    with frozen(patient.clinic, backends_too=True):
        started = time.monotonic()
        rest = {check.name: check.status for check in running}
        took = time.monotonic() - started
        gc.collect()
    assert before[-1].name == "database"
    assert rest.pop("connections") == "fail"
    assert [name for name, status in rest.items() if status == "ok"] == ["redis", "mail", "hashing"]
    assert took < 2.5


def test_ctrl_c_ends_it_at_once(patient: Patient, tmp_path: Path) -> None:
    """Even while it waits for a server; what was found so far stands there."""
    settings = {**patient.settings, "DATABASE_CONNECT_TIMEOUT": "20"}
    with frozen(patient.clinic), Command.start("doctor", settings=settings, cwd=tmp_path) as run:
        run.wait_for("unknown_variables")
        started = time.monotonic()
        assert run.interrupt() == 130
        assert time.monotonic() - started < 3
    assert "Traceback" not in run.output


def test_a_server_that_loses_commits_is_a_warning(patient: Patient) -> None:
    """fsync is off in the cluster of these tests."""
    _, checks = patient.report()
    assert checks["server"]["status"] == "warn"
    assert "fsync" in checks["server"]["detail"]


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
