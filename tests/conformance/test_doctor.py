"""`user-api doctor`: each fault made for real, named by its check, with the way to mend it."""

from __future__ import annotations

import contextlib
import gc
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil

from core.bootstrap import build_diagnosis
from core.config.examination import Examination
from core.services.diagnosis import database as checks_of_database
from core.services.diagnosis import operation as checks_of_operation
from tests.support.doctor import NAMES, Clinic, Patient, relay_with_login
from tests.support.local_postgres import server_process
from tests.support.processes import Command, run_command

OF_THE_DATABASE = NAMES[NAMES.index("database") + 1 : NAMES.index("redis")]


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
    # What the process finds slow, on a busy machine, tells nothing here.
    patient.monkeypatch.setattr(checks_of_database, "SLOW_ROUND_TRIP", timedelta(minutes=1))
    patient.monkeypatch.setattr(checks_of_operation, "SLOW_HASH", 60.0)
    heard: list[bytes] = []
    patient.clinic.durable(on=True)
    with relay_with_login(b"235 welcome\r\n", heard) as port:
        settings = as_in_production(patient, port)
        done = run_command("doctor", settings=settings, cwd=tmp_path)
        _, checks = patient.report(**settings)
    patient.clinic.durable(on=False)
    assert heard == [b"EHLO", b"AUTH", b"QUIT"] * 2
    assert (done.returncode, done.stderr) == (0, "")
    *lines, summary = [line for line in done.stdout.splitlines() if "  -> " not in line]
    told = {name: status for status, name in (line.split()[:2] for line in lines)}
    assert list(told) == NAMES
    slow = {name for name in ("database", "hashing") if told[name] == "warn"}
    assert {status for name, status in told.items() if name not in slow} == {"ok"}
    assert summary.endswith(f"{len(NAMES) - len(slow)} ok")
    assert done.stdout.count("  -> ") == len(slow)
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
    assert "MAIL_URL must be smtp, smtps or ses" in checks["production_values"]["detail"]
    code, checks = patient.report(ENVIRONMENT="production")
    assert code == 1
    assert "MAIL_URL must be smtp, smtps or ses" in checks["configuration"]["detail"]
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
    """The process that takes connections, for 60 s at most, and those of each connection."""
    server = server_process(clinic.folder / "data")
    stopped = [server, *(server.children() if backends_too else ())]

    def thaw() -> None:
        for each in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.resume()

    timer = threading.Timer(60, thaw)
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
        code, checks = patient.report(DATABASE_CONNECT_TIMEOUT="2")
        took = time.monotonic() - started
        # A traceback still holds the connection, which the thawed server would wait for.
        gc.collect()
    assert code == 1
    assert "in time" in checks["database"]["detail"]
    assert skipped(checks)
    assert took < 15 < 2 * len(OF_THE_DATABASE)


def test_a_server_that_freezes_halfway_costs_one_deadline_too(patient: Patient) -> None:
    """What is left to ask is skipped, and what needs no database is still looked at."""
    examined = Examination.of({**patient.settings, "DATABASE_STATEMENT_TIMEOUT": "2"})
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
    assert took < 20


def test_ctrl_c_ends_it_at_once(patient: Patient, tmp_path: Path) -> None:
    """Even while it waits for a server; what was found so far stands there."""
    settings = {**patient.settings, "DATABASE_CONNECT_TIMEOUT": "30"}
    with frozen(patient.clinic), Command.start("doctor", settings=settings, cwd=tmp_path) as run:
        run.wait_for("unknown_variables")
        started = time.monotonic()
        assert run.interrupt() == 130
        assert time.monotonic() - started < 25
    assert "Traceback" not in run.output


def test_a_server_that_loses_commits_is_a_warning(patient: Patient) -> None:
    """fsync is off in the cluster of these tests."""
    _, checks = patient.report()
    assert checks["server"]["status"] == "warn"
    assert "fsync" in checks["server"]["detail"]
