"""`user-api outbox`: an operator sees what was given up, and has it sent after all; and what a
worker that was killed leaves behind."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import pytest

from core.bootstrap import Core, build_core
from core.config import Settings
from handler.local.postgres import LocalPostgres
from handler.worker import run_job
from tests.support.databases import migrated
from tests.support.people import PASSWORD, random_email
from tests.support.processes import Command, run_command
from tests.support.smtp_relay import converse, scripted_relay, smtp_relay
from tests.support.storage import CONTEXT, query

DATABASE = "outbox_command"


@dataclass
class Place:
    """A deployment of its own."""

    core: Core
    settings: dict[str, str]
    superuser_url: str
    folder: Path

    def owe(self) -> str:
        email = random_email()
        self.core.sign_ups.register(
            CONTEXT, email=email, password=PASSWORD, username=None, profile={}
        )
        return email

    def outbox(self, *arguments: str) -> tuple[int, str, str]:
        done = run_command("outbox", *arguments, settings=self.settings, cwd=self.folder)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def place(postgres: LocalPostgres, environment: dict[str, str], tmp_path: Path) -> Iterator[Place]:
    settings = {
        **environment,
        "DATABASE_URL": postgres.url(role="user_api", database=DATABASE),
        "MAIL_URL": f"directory://{tmp_path / 'mail'}",
        "MAIL_TIMEOUT": "20",
        "WORKER_POLL_INTERVAL": "0.1",
    }
    with (
        migrated(postgres, DATABASE),
        closing(build_core(Settings.from_environ(settings))) as core,
    ):
        yield Place(core, settings, postgres.url(role="postgres", database=DATABASE), tmp_path)


def test_parked_mails_are_listed_and_sent_after_all(place: Place) -> None:
    """As lines and as JSON, without addresses; exit code 1 names what was not parked."""
    assert place.outbox("list") == (0, "No message is parked.\n", "")
    email = place.owe()
    with smtp_relay() as relay:
        relay.recipient_replies[email] = f"550 5.1.1 <{email}> unknown"
        settings = {**place.settings, "MAIL_URL": f"smtp://127.0.0.1:{relay.port}"}
        with closing(build_core(Settings.from_environ(settings))) as core:
            assert run_job(core, "outbox", 60) == {"handled": 1}
    code, text, _ = place.outbox("list")
    assert code == 0
    assert "verify_email  1 tries  the relay answered 550 5.1.1 <(address)> unknown" in text
    assert email not in text
    code, text, _ = place.outbox("list", "--json")
    (parked,) = json.loads(text)["parked"]
    assert parked["id"] in place.outbox("list")[1]
    assert datetime.fromisoformat(parked["created_at"]) < datetime.fromisoformat(
        parked["parked_at"]
    )
    assert parked.keys() == {"id", "template", "attempts", "created_at", "parked_at", "error"}
    assert (parked["template"], parked["attempts"]) == ("verify_email", 1)
    assert parked["error"] == "the relay answered 550 5.1.1 <(address)> unknown"
    other = str(uuid4())
    code, text, error = place.outbox("retry", parked["id"], other)
    assert (code, text, error) == (1, "Due again: 1\n", f"not parked: {other}\n")
    code, text, _ = place.outbox("retry", "--all", "--json")
    assert (code, json.loads(text)) == (0, {"retried": 0, "not_parked": []})
    assert run_job(place.core, "outbox", 60) == {"handled": 1}
    (mail,) = (place.folder / "mail").glob("*.eml")
    assert email in mail.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_killed_workers_mail_is_sent_when_its_lease_has_run_out(place: Place) -> None:
    """And not before: by another worker, which waits for it in seconds and not for a human."""
    email = place.owe()
    heard: list[bytes] = []
    with scripted_relay(lambda caller: converse(caller, {}, heard=heard)) as port:
        # It says hello, waits for the answer that never comes, and is killed meanwhile.
        slow = {"MAIL_URL": f"smtp://127.0.0.1:{port}", "MAIL_TIMEOUT": "15"}
        with Command.start(
            "worker", settings={**place.settings, **slow}, cwd=place.folder
        ) as killed:
            held = "SELECT attempts, lease_owner FROM outbox WHERE attempts = 1"
            killed.wait_until(lambda: bool(query(place.superuser_url, held)), what="a lease")
            killed.process.send_signal(signal.SIGKILL)
            killed.process.wait(60)
    ((owner, until),) = query(place.superuser_url, "SELECT lease_owner, due_at FROM outbox")
    assert owner is not None
    folder = place.folder / "mail"
    with Command.start("worker", settings=place.settings, cwd=place.folder) as worker:
        worker.wait_until(lambda: bool(list(folder.glob("*.eml"))), what="the mail")
        assert place.core.clock.now() >= until
        assert worker.end() == 0
    (mail,) = folder.glob("*.eml")
    assert email in mail.read_text(encoding="utf-8")
    assert query(place.superuser_url, "SELECT count(*) FROM outbox") == [(0,)]
