"""The worker's loop when things go wrong, and the jobs that a schedule calls."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import pytest

from core.bootstrap import build_core
from core.config import Settings
from core.errors import ConfigurationError, StorageUnavailable
from handler.worker import Worker, run_job
from tests.support.environment import service_environment
from tests.support.server import free_port


def settings_without_database(folder: Path) -> Settings:
    url = f"postgresql://user_api@127.0.0.1:{free_port()}/user_api"
    return Settings.from_environ(
        {**service_environment(url, folder), "WORKER_POLL_INTERVAL": "0.05"}
    )


def test_an_outage_of_the_database_ends_no_worker_and_fills_no_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    core = build_core(settings_without_database(tmp_path))
    stop = threading.Event()
    worker = Worker(core)
    thread = threading.Thread(target=worker.run, args=[stop])
    with caplog.at_level(logging.WARNING, logger="handler.worker"):
        thread.start()
        time.sleep(1)
        assert thread.is_alive()
        assert worker.alive
        stop.set()
        thread.join(10)
    core.close()
    assert not thread.is_alive()
    mine = [each for each in caplog.records if each.name == "handler.worker"]
    told = [each.getMessage().partition(" ")[0] for each in mine]
    assert sorted(told) == ["housekeeping", "outbox", "release"]


def test_a_job_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    core = build_core(settings_without_database(tmp_path))
    with pytest.raises(ConfigurationError, match="there is no job 'seal'"):
        run_job(core, "seal", 5)
    core.close()


@pytest.mark.parametrize("job", ["outbox", "housekeeping"])
def test_a_job_tells_its_caller_that_the_database_is_away(tmp_path: Path, job: str) -> None:
    """So that the failed invocation is seen, and the schedule tries again."""
    core = build_core(settings_without_database(tmp_path))
    with pytest.raises(StorageUnavailable):
        run_job(core, job, 5)
    core.close()
