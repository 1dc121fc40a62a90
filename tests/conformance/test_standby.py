"""Two regions: in the second one the database is a standby, until somebody promotes it."""

from __future__ import annotations

import itertools
import re
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from core.bootstrap import Core, build_core
from core.config import Settings
from handler.local.postgres import LocalPostgres
from handler.worker import Worker
from migrations.runner import upgrade
from tests.support.environment import service_environment
from tests.support.local_postgres import QUICK
from tests.support.log_lines import parsed
from tests.support.people import PASSWORD, random_email
from tests.support.processes import Command
from tests.support.runtime_api import HANDLER, RuntimeApi
from tests.support.standby import Standby, standby_of
from tests.support.storage import CONTEXT, query

POLL = 0.2
PAUSES = (0.4, 0.8, 1.6, 3.2, 5.0)
LOOKS = 4


def owe_a_mail(environment: dict[str, str]) -> str:
    address = random_email()
    with closing(build_core(Settings.from_environ(environment))) as core:
        core.sign_ups.register(CONTEXT, email=address, password=PASSWORD, username=None, profile={})
    return address


def stopped_server(folder: Path, mails: Path) -> str:
    """A migrated database with one mail in its outbox; returns to whom."""
    with LocalPostgres.start(folder, settings=QUICK) as primary:
        upgrade(primary.owner_url)
        # What is asked is read from the log, which holds no statement of this login by itself.
        query(primary.superuser_url, "ALTER ROLE user_api RESET log_statement")
        return owe_a_mail(service_environment(primary.app_url, mails))


def sent_to(mails: Path, address: str) -> bool:
    return any(address in mail.read_text(encoding="utf-8") for mail in mails.glob("*.eml"))


def asked(standby: Standby) -> Counter[str]:
    """What it was asked by others than this test, by the first words."""
    return Counter(
        "recovery" if "pg_is_in_recovery" in sql else "revision" if "alembic" in sql else sql
        for sql in standby.statements()
    )


def looks_within(seconds: float) -> int:
    """How many there are at most: one at once, one behind each pause, which is never shorter."""
    pauses = itertools.chain(PAUSES, itertools.repeat(PAUSES[-1]))
    return 1 + sum(
        1 for _ in itertools.takewhile(lambda at: at <= seconds, itertools.accumulate(pauses))
    )


def test_a_promotion_is_noticed_within_five_seconds(core: Core) -> None:
    """However long the database has been a standby."""
    worker = Worker(core)
    worker._note_standby(standby=True)
    assert worker._pause(100) == 5


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_worker_waits_for_the_promotion_and_then_sends(tmp_path: Path) -> None:
    """Until then it asks once per growing pause and does nothing else; so does the Lambda job."""
    tmp_path.chmod(0o755)
    mails = tmp_path / "mail"
    address = stopped_server(tmp_path / "primary", mails)
    settings = {**QUICK, "log_statement": "all"}
    with standby_of(tmp_path / "primary", tmp_path / "standby", settings=settings) as standby:
        environment = {
            **service_environment(standby.url("user_api"), mails),
            "WORKER_POLL_INTERVAL": str(POLL),
        }
        before, began = asked(standby), time.monotonic()
        with Command.start("worker", settings=environment, cwd=tmp_path) as worker:
            worker.wait_for("standby")
            looked = "four looks"
            worker.wait_until(lambda: (asked(standby) - before)["recovery"] >= LOOKS, what=looked)
            while_waiting, took = asked(standby) - before, time.monotonic() - began
            # Besides what a driver asks once, of its first connection.
            repeated = {sql for sql, times in while_waiting.items() if times > 1}
            assert repeated == {"recovery", "revision"}, while_waiting
            assert not [sql for sql in while_waiting if re.match("WITH|UPDATE|DELETE|INSERT", sql)]
            assert while_waiting["recovery"] <= looks_within(took)
            with RuntimeApi(HANDLER, environment, tmp_path / "function.log") as function:
                assert function.invoke({"job": "outbox"}) == {"standby": 1}
                assert function.invoke({"job": "housekeeping"}) == {"standby": 1}
                assert not sent_to(mails, address)
                standby.promote()
                worker.wait_until(lambda: sent_to(mails, address), what="the mail")
                assert worker.end() == 0
                second = owe_a_mail(environment)
                assert function.invoke({"job": "outbox"}) == {"handled": 1}
                assert sent_to(mails, second)
    told = [(line["level"], line["message"]) for line in parsed(worker.output)]
    # The folder of mails that stands for a relay here shows each mail in the log.
    assert [each for each in told if not each[1].startswith("mail to")] == [
        ("INFO", "the database is a standby: waiting for its promotion"),
        ("INFO", "the database is no standby any more"),
    ]
