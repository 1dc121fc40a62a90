"""`user-api doctor` against a database of its own, on a cluster whose faults are nobody else's."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, fields
from itertools import count
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from jsonschema import Draft202012Validator
from psycopg2 import sql

from core.bootstrap import build_core
from core.config import Settings, env_name
from core.domain.requests import RequestContext
from handler import cli
from handler.local.postgres import APPLICATION, OWNER, SUPERUSER, LocalPostgres
from migrations.runner import upgrade
from tests.support.smtp_relay import converse, scripted_relay
from tests.support.storage import query

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "docs/doctor-schema.json").read_text())
NAMES: list[str] = SCHEMA["$defs"]["check"]["properties"]["name"]["enum"]

PASSWORD = "a-p4ssword/of:the role"
SECRET_KEY = base64.b64encode(b"the secret key of doctor's tests").decode()
TEMPLATE = "doctor_template"
_NUMBERS = count(1)


@dataclass(frozen=True)
class Clinic:
    """A cluster that asks the application's role for its password."""

    postgres: LocalPostgres
    folder: Path

    @classmethod
    @contextmanager
    def opened(cls, folder: Path) -> Iterator[Clinic]:
        """With a healthy database to copy: one administrator and one signing key."""
        with LocalPostgres.start(folder / "data") as postgres:
            clinic = cls(postgres, folder)
            clinic._demand_passwords()
            clinic.durable(on=False)
            postgres.create_database(TEMPLATE)
            upgrade(postgres.url(role=OWNER, database=TEMPLATE))
            clinic._begin(TEMPLATE)
            yield clinic

    def durable(self, *, on: bool) -> None:
        """Whether commits survive a power cut; copying databases is much quicker without."""
        value = "on" if on else "off"
        self.set_for_server(fsync=value, full_page_writes=value, synchronous_commit=value)

    def set_for_server(self, **parameters: str) -> None:
        with closing(psycopg2.connect(self.postgres.superuser_url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for name, value in parameters.items():
                    cursor.execute(f"ALTER SYSTEM SET {name} = {value}")
        query(self.postgres.superuser_url, "SELECT pg_reload_conf()")

    def settings(self, database: str) -> dict[str, str]:
        """Everything well, in development."""
        mail = self.folder / "mail"
        mail.mkdir(exist_ok=True)
        return {
            "ENVIRONMENT": "development",
            "DATABASE_URL": self.url(database),
            "SECRET_KEY": SECRET_KEY,
            "PUBLIC_URL": "https://id.example.com",
            "MAIL_URL": f"directory://{mail}",
            "MAIL_FROM": "Example <no-reply@example.com>",
            # However busy the machine is, two hashes take less.
            "LOGIN_REFUSAL_TIME": "2",
        }

    def url(self, database: str, *, password: str = PASSWORD) -> str:
        """As the application's role."""
        plain = self.postgres.url(role=APPLICATION, database=database)
        escaped = password.replace("/", "%2F").replace(":", "%3A").replace(" ", "%20")
        return plain.replace(f"{APPLICATION}@", f"{APPLICATION}:{escaped}@", 1)

    def superuser(self, database: str) -> str:
        return self.postgres.url(role=SUPERUSER, database=database)

    def owner(self, database: str) -> str:
        return self.postgres.url(role=OWNER, database=database)

    @contextmanager
    def database(self) -> Iterator[str]:
        """A copy of the healthy one, for one test to damage."""
        name = f"doctor_{next(_NUMBERS)}"
        self.postgres.create_database(name, template=TEMPLATE)
        yield name
        self.postgres.drop_database(name)

    def _demand_passwords(self) -> None:
        superuser = self.postgres.superuser_url
        statement = sql.SQL("ALTER ROLE user_api PASSWORD {}").format(sql.Literal(PASSWORD))
        with closing(psycopg2.connect(superuser)) as connection, connection:
            connection.cursor().execute(statement)
        rules = "local all user_api scram-sha-256\nlocal all all trust\n"
        (self.folder / "data" / "pg_hba.conf").write_text(rules)
        query(superuser, "SELECT pg_reload_conf()")

    def _begin(self, database: str) -> None:
        core = build_core(Settings.from_environ(self.settings(database)))
        try:
            core.access.create_admin(
                RequestContext(request_id="doctor"),
                email="ops@example.com",
                username=None,
                password=None,
            )
            core.keys.ensure_signing_key()
        finally:
            core.close()


@contextmanager
def role(clinic: Clinic, change: str, undo: str) -> Iterator[None]:
    """Roles are shared by all databases of the cluster."""
    query(clinic.postgres.superuser_url, change)
    try:
        yield
    finally:
        query(clinic.postgres.superuser_url, undo)


@dataclass(frozen=True)
class Patient:
    """One database and the settings of its service, and the doctor for both."""

    clinic: Clinic
    database: str
    settings: dict[str, str]
    monkeypatch: pytest.MonkeyPatch
    captured: pytest.CaptureFixture[str]

    def superuser(self, statement: str) -> None:
        query(self.clinic.superuser(self.database), statement)

    def text(self, **changes: str) -> tuple[int, str]:
        """Exit code and human output, with these settings changed; empty for unset."""
        return self._run("doctor", changes)

    def report(self, **changes: str) -> tuple[int, dict[str, Any]]:
        """Exit code and the checks by name, of a report that keeps to its schema."""
        code, output = self._run("doctor --json", changes)
        report = json.loads(output)
        Draft202012Validator(SCHEMA).validate(report)
        assert [each["name"] for each in report["checks"]] == NAMES
        assert (code == 1) is (report["status"] == "fail")
        return code, {each["name"]: each for each in report["checks"]}

    def _run(self, command: str, changes: dict[str, str]) -> tuple[int, str]:
        for item in fields(Settings):
            self.monkeypatch.delenv(env_name(item), raising=False)
        for name, value in {**self.settings, **changes}.items():
            self.monkeypatch.setenv(name, value)
        code = cli.main(command.split())
        captured = self.captured.readouterr()
        assert captured.err == ""
        for secret in (PASSWORD, PASSWORD.replace("/", "%2F"), SECRET_KEY):
            assert secret not in captured.out
        return code, captured.out


def relay_with_login(verdict: bytes, heard: list[bytes]) -> AbstractContextManager[int]:
    """A relay that answers each login so, and keeps the commands it hears; the value is its port.

    aiosmtpd refuses to take a login without TLS.
    """

    def part(caller: socket.socket) -> None:
        caller.sendall(b"220 relay.example.com\r\n")
        offer = b"250-relay.example.com\r\n250 AUTH PLAIN\r\n"
        converse(caller, {b"EHLO": offer, b"AUTH": verdict, b"QUIT": b"221 bye\r\n"}, heard=heard)

    return scripted_relay(part)
