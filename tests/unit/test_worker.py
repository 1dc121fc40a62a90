"""The worker's loop when things go wrong, and the jobs that a schedule calls."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import handler.worker
from core.bootstrap import build_core
from core.config import Settings
from core.errors import ConfigurationError, StorageUnavailable
from core.ports.messaging import Mail, Mailer
from handler.local.postgres import LocalPostgres
from handler.worker import Worker, run_job
from migrations.runner import upgrade
from tests.support.environment import service_environment
from tests.support.log_lines import told_by
from tests.support.people import PASSWORD, random_email
from tests.support.redis_places import Stopwatch
from tests.support.server import free_port
from tests.support.storage import CONTEXT, query


def settings_without_database(folder: Path) -> Settings:
    url = f"postgresql://user_api@127.0.0.1:{free_port()}/user_api"
    return Settings.from_environ(
        {**service_environment(url, folder), "WORKER_POLL_INTERVAL": "0.05"}
    )


def test_an_outage_of_the_database_ends_no_worker_and_fills_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    core = build_core(settings_without_database(tmp_path))
    stop, turns = threading.Event(), threading.Semaphore(0)
    worker = Worker(core)
    real_turn = worker._turn

    def turn(stop: threading.Event) -> int | None:
        turns.release()
        return real_turn(stop)

    monkeypatch.setattr(worker, "_turn", turn)
    thread = threading.Thread(target=worker.run, args=[stop])
    with caplog.at_level(logging.WARNING, logger="handler.worker"):
        thread.start()
        for _ in range(4):
            assert turns.acquire(timeout=30)
        assert thread.is_alive()
        assert worker.alive
        stop.set()
        thread.join(30)
    core.close()
    assert not thread.is_alive()
    told = [each.partition(" ")[0] for each in told_by("handler.worker", caplog)]
    assert sorted(told) == ["release", "worker"]


class Waited(threading.Event):
    """An event whose waits take no time but that of `watch`, and are noted; the twelfth sets it."""

    def __init__(self, watch: Stopwatch) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self._watch = watch

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.pauses.append(timeout)
        self._watch.advance(timeout)
        if len(self.pauses) == 12:
            self.set()
        return self.is_set()


def test_pauses_grow_to_half_a_minute(tmp_path: Path) -> None:
    """A database that is away is asked again soon, and a long outage is no load on it."""
    core = build_core(settings_without_database(tmp_path))
    stop = Waited(Stopwatch())
    Worker(core).run(stop)
    core.close()
    doubled = [0.05 * 2**n for n in range(1, 10)]
    assert stop.pauses == pytest.approx([*doubled, 30, 30, 30])


def test_what_nobody_expected_ends_no_worker_and_is_told_once_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the two minutes of its twelve turns."""
    watch = Stopwatch()
    monkeypatch.setattr(handler.worker, "time", SimpleNamespace(monotonic=watch))
    core = build_core(settings_without_database(tmp_path))
    worker, stop = Worker(core), Waited(watch)

    def broken() -> int:
        raise KeyError("nobody knows why")

    monkeypatch.setattr(worker, "_look", broken)
    worker.run(stop)
    core.close()
    assert 60 < sum(stop.pauses[:-1]) < 120
    told = told_by("handler.worker", caplog)
    assert told.count("worker failed, and will be tried again") == 2
    assert "KeyError: 'nobody knows why'" in caplog.text


@dataclass
class Breaking:
    """Implements Mailer by another one; every connection of `database` is lost with one mail."""

    real: Mailer
    database: str
    superuser_url: str
    sent: int = 0

    def send(self, mail: Mail) -> None:
        self.real.send(mail)
        self.sent += 1
        if self.sent == 2:
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
            query(self.superuser_url, end, (self.database,))

    def check(self) -> str:
        return self.real.check()


def test_mails_at_hand_when_the_database_goes_are_sent_when_it_is_back(
    postgres: LocalPostgres, tmp_path: Path
) -> None:
    """At once, and not when their lease of minutes runs out."""
    postgres.create_database("breaking")
    upgrade(postgres.url(role="user_api_owner", database="breaking"))
    url = postgres.url(role="user_api", database="breaking")
    environ = {**service_environment(url, tmp_path), "WORKER_POLL_INTERVAL": "0.05"}
    core = build_core(Settings.from_environ(environ))
    for _ in range(5):
        core.sign_ups.register(
            CONTEXT, email=random_email(), password=PASSWORD, username=None, profile={}
        )
    mailer = Breaking(core.deliveries.mailer, "breaking", postgres.superuser_url)
    core = replace(core, deliveries=replace(core.deliveries, mailer=mailer))
    stop = threading.Event()
    thread = threading.Thread(target=Worker(core).run, args=[stop])
    thread.start()
    ends = time.monotonic() + 30
    while len(list(tmp_path.glob("*.eml"))) < 5 and time.monotonic() < ends:
        time.sleep(0.05)
    stop.set()
    thread.join(30)
    core.close()
    postgres.drop_database("breaking")
    assert len(list(tmp_path.glob("*.eml"))) == 5


@pytest.mark.parametrize(
    "job", ["seal", "", "OUTBOX", ["outbox"], [], {}, {"outbox": 1}, None, 1, True, 0.5, "x" * 9999]
)
def test_a_job_that_nobody_knows_is_refused(tmp_path: Path, job: object) -> None:
    """Whatever the event holds, by one short line that names the jobs."""
    core = build_core(settings_without_database(tmp_path))
    with pytest.raises(ConfigurationError) as refused:
        run_job(core, job, 5)
    assert str(refused.value).startswith("there is no job ")
    assert str(refused.value).endswith("; the jobs are housekeeping and outbox")
    assert len(str(refused.value)) < 120
    core.close()


@pytest.mark.parametrize("job", ["outbox", "housekeeping"])
def test_a_job_tells_its_caller_that_the_database_is_away(tmp_path: Path, job: str) -> None:
    """So that the failed invocation is seen, and the schedule tries again."""
    core = build_core(settings_without_database(tmp_path))
    with pytest.raises(StorageUnavailable):
        run_job(core, job, 5)
    core.close()
