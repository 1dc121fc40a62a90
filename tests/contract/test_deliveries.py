"""What becomes of a message in the outbox, whatever its relay and its workers do."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from core.bootstrap import Core, build_core
from core.config import Settings
from core.ports.messaging import Mail, MailFailed
from core.services.deliveries import ATTEMPTS, Deliveries, delay_after
from handler.local.postgres import LocalPostgres
from tests.support.clock import FixedClock
from tests.support.databases import migrated
from tests.support.environment import service_environment
from tests.support.log_lines import told_by
from tests.support.people import PASSWORD, random_email
from tests.support.storage import CONTEXT, IDS, query

DATABASE = "deliveries"
LOGGER = "core.services.deliveries"


@dataclass
class Relay:
    """Implements Mailer: takes every mail, or fails as `failure` says; `during` happens while it
    is handed over."""

    taken: list[Mail] = field(default_factory=list)
    failure: Exception | None = None
    during: threading.Event | None = None
    reached: threading.Event = field(default_factory=threading.Event)

    def send(self, mail: Mail) -> None:
        self.reached.set()
        if self.during is not None:
            assert self.during.wait(60)
        if self.failure is not None:
            raise self.failure
        self.taken.append(mail)

    def check(self) -> str:
        raise AssertionError("the worker sends, and does not ask before")


@pytest.fixture(scope="module")
def own_core(postgres: LocalPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    """On a database that no other test delivers from."""
    url = postgres.url(role="user_api", database=DATABASE)
    with migrated(postgres, DATABASE):
        core = build_core(Settings.from_environ(service_environment(url, Path("/nowhere"))))
        yield core
        core.close()


@dataclass
class Post:
    """The outbox of one test: its clock is put forward, and its relay fails, as a test likes."""

    core: Core
    url: str
    clock: FixedClock
    relay: Relay

    @property
    def deliveries(self) -> Deliveries:
        return replace(self.core.deliveries, clock=self.clock, mailer=self.relay)

    def owe(self, count: int = 1) -> None:
        for _ in range(count):
            self.core.sign_ups.register(
                CONTEXT, email=random_email(), password=PASSWORD, username=None, profile={}
            )
        query(self.url, "UPDATE outbox SET due_at = %s", (self.clock.now(),))

    def rows(self) -> list[tuple[int, str | None, datetime | None, str | None, datetime]]:
        wanted = "attempts, lease_owner, parked_at, last_error, due_at"
        return query(self.url, f"SELECT {wanted} FROM outbox ORDER BY id")

    def outcomes(self) -> Counter[str]:
        """Of all deliveries of this core since it was built."""
        page = self.core.metrics.exposition()[1].decode()
        found: Counter[str] = Counter()
        for line in page.splitlines():
            if line.startswith("outbox_deliveries_total{"):
                name, _, value = line.partition(" ")
                found[name.split('"')[1]] = int(float(value))
        return found


@pytest.fixture
def post(own_core: Core, postgres: LocalPostgres) -> Post:
    url = postgres.url(role="postgres", database=DATABASE)
    query(url, "DELETE FROM outbox")
    return Post(own_core, url, FixedClock(own_core.clock.now()), Relay())


def test_two_workers_send_each_mail_once(post: Post) -> None:
    """Four at once on forty mails: none twice, none left."""
    post.owe(40)

    def work(number: int) -> int:
        total = 0
        while handled := post.deliveries.run_once(owner=f"worker-{number}"):
            total += handled
        return total

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(work, range(4))) == 40
    ids = [mail.message_id for mail in post.relay.taken]
    assert len(ids) == len(set(ids)) == 40
    assert post.rows() == []


def test_a_mail_says_how_long_its_link_is_good(post: Post) -> None:
    """To the minute, from the moment that it is sent, and never for none."""
    lifetime = post.core.settings.registration_lifetime
    told = []
    for age in (timedelta(), timedelta(minutes=17), lifetime - timedelta(seconds=29)):
        post.owe()
        post.clock.advance(seconds=age.total_seconds())
        assert post.deliveries.run_once(owner="worker") == 1
        told.append(int(post.relay.taken[-1].variables["expires_minutes"]))
        post.clock.advance(seconds=-age.total_seconds())
    whole = lifetime // timedelta(minutes=1)
    assert told == [whole, whole - 17, 1]


def test_a_failed_mail_is_tried_again_after_pauses_that_double(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """From about 5 s to an hour, each up to a quarter shorter; the twelfth failure parks it."""
    post.owe()
    post.relay.failure = MailFailed("421 busy", permanent=False)
    before = post.outcomes()
    pauses = []
    for attempt in range(1, ATTEMPTS):
        assert post.deliveries.run_once(owner="worker") == 1
        ((attempts, owner, parked, error, due),) = post.rows()
        assert (attempts, owner, parked, error) == (attempt, None, None, "421 busy")
        pauses.append((due - post.clock.now()).total_seconds())
        post.clock.advance(seconds=pauses[-1] - 0.001)
        assert post.deliveries.run_once(owner="worker") == 0
        post.clock.advance(seconds=0.002)
    whole = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]
    assert all(3 / 4 * most < pause <= most for pause, most in zip(pauses, whole, strict=True))
    assert post.deliveries.run_once(owner="worker") == 1
    ((attempts, _, parked, error, _),) = post.rows()
    assert (attempts, parked, error) == (ATTEMPTS, post.clock.now(), "421 busy")
    post.clock.advance(seconds=7 * 86_400)
    assert post.deliveries.run_once(owner="worker") == 0
    assert post.outcomes() - before == {"retried": ATTEMPTS - 1, "parked": 1}
    *tried, last = told_by(LOGGER, caplog)
    assert len(tried) == ATTEMPTS - 1
    for message, pause in zip(tried, pauses, strict=True):
        waits = re.escape(str(timedelta(seconds=pause)))
        assert re.fullmatch(rf"mail \S+ failed, next try in {waits}: 421 busy", message)
    assert re.fullmatch(rf"mail \S+ parked after attempt {ATTEMPTS}: 421 busy", last)


def test_a_batch_has_time_for_mails_that_all_time_out(post: Post) -> None:
    """Its lease is that long: ten times the deadline of a mail, and five seconds each besides."""
    settings = replace(post.core.settings, mail_timeout=7.0)
    assert replace(post.deliveries, settings=settings).longest_batch == 120


def test_what_failed_together_does_not_come_back_together() -> None:
    """After an outage the relay is not asked for all mails within one moment."""
    pauses = sorted(delay_after(12, IDS.new()) for _ in range(1000))
    assert pauses[-1] - pauses[0] > timedelta(minutes=12)
    assert timedelta(minutes=45) <= pauses[0] <= pauses[-1] <= timedelta(hours=1)


def test_a_mail_that_is_refused_for_good_is_parked_at_once(post: Post) -> None:
    """It stays, with the reason, and is not tried again."""
    post.owe()
    post.relay.failure = MailFailed("550 no such user", permanent=True)
    before = post.outcomes()
    assert post.deliveries.run_once(owner="worker") == 1
    ((attempts, owner, parked, error, _),) = post.rows()
    assert (attempts, owner, error) == (1, None, "550 no such user")
    assert parked == post.clock.now()
    assert post.outcomes() - before == {"parked": 1}


def test_a_mail_that_was_parked_is_sent_when_an_operator_says_so(post: Post) -> None:
    """With all its tries before it."""
    post.owe()
    post.relay.failure = MailFailed("550 relaying denied", permanent=True)
    post.deliveries.run_once(owner="worker")
    (parked,) = post.core.backlog.parked(limit=10)
    assert post.core.backlog.retry(CONTEXT, [parked.id]) == []
    post.relay.failure = None
    post.clock.advance(seconds=1)
    assert post.deliveries.run_once(owner="worker") == 1
    assert [mail.message_id for mail in post.relay.taken] == [str(parked.id)]
    assert post.rows() == []


def test_a_worker_that_slept_through_its_lease_sends_nothing(post: Post) -> None:
    """Another has the messages by then; none is sent twice."""
    post.owe(5)
    sleeper, post.relay.during = post.deliveries, threading.Event()
    with ThreadPoolExecutor(1) as thread:
        asleep = thread.submit(sleeper.run_once, owner="sleeper")
        assert post.relay.reached.wait(30)
        post.clock.advance(seconds=sleeper.longest_batch + 1)
        other = Relay()
        busy = replace(sleeper, mailer=other)
        assert busy.run_once(owner="worker") == 5
        post.relay.during.set()
        before = post.outcomes()
        asleep.result(30)
    # The one that was being handed over when its worker fell asleep; nothing can take it back.
    assert len(post.relay.taken) == 1
    assert len(other.taken) == 5
    assert post.rows() == []
    assert post.outcomes() - before == {"lost": 1}


def test_a_message_whose_lease_was_lost_is_not_settled_twice(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """What the first worker thinks of it changes nothing for the second, who is at work on it."""
    post.owe()
    post.relay.failure, post.relay.during = MailFailed("550 no", permanent=True), threading.Event()
    with ThreadPoolExecutor(1) as thread:
        slow = thread.submit(post.deliveries.run_once, owner="slow")
        assert post.relay.reached.wait(30)
        query(post.url, "UPDATE outbox SET lease_owner = 'other', attempts = 2")
        post.relay.during.set()
        slow.result(30)
    ((attempts, owner, parked, error, _),) = post.rows()
    assert (attempts, owner, parked, error) == (2, "other", None, None)
    (told,) = told_by(LOGGER, caplog)
    assert re.fullmatch(r"the lease of mail \S+ was lost while it was sent", told)


def test_a_message_that_ends_its_workers_is_parked_at_last(post: Post) -> None:
    """Killed in each of twelve attempts, they never came to say that it failed."""
    post.owe()
    query(post.url, "UPDATE outbox SET attempts = %s", (ATTEMPTS,))
    assert post.deliveries.run_once(owner="worker") == 1
    ((_, _, parked, error, _),) = post.rows()
    assert parked is not None
    assert error == "its worker ended during each attempt"
    assert post.relay.taken == []


def test_leases_that_are_handed_back_cost_no_attempt(post: Post) -> None:
    """Rolling restarts and outages of the database park nothing."""
    post.owe(3)
    for _ in range(2 * ATTEMPTS):
        assert post.deliveries.run_once(owner="worker", stopping=lambda: True) == 0
        post.deliveries.release(owner="worker")
    assert post.deliveries.run_once(owner="worker") == 3
    assert len(post.relay.taken) == 3


def test_a_mailer_that_breaks_is_a_failure_like_others(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    """Of one message and one attempt; what it says may hold an address, and is not kept."""
    post.owe(2)
    post.relay.failure = RuntimeError("ada@example.com")
    assert post.deliveries.run_once(owner="worker") == 2
    assert {row[:4] for row in post.rows()} == {(1, None, None, "RuntimeError")}
    assert told_by(LOGGER, caplog).count("a mail could not be sent") == 2


def test_each_handled_message_is_counted_by_its_outcome(post: Post) -> None:
    """Sent, or dropped because its link has expired; the gauges follow."""
    post.owe(2)
    newest = "SELECT id FROM one_time_codes ORDER BY id DESC LIMIT 1"
    query(post.url, f"DELETE FROM one_time_codes WHERE id = ({newest})")
    before = post.outcomes()
    post.core.backlog.measure()
    page = post.core.metrics.exposition()[1].decode()
    assert "outbox_pending_messages 2.0" in page
    assert post.deliveries.run_once(owner="worker") == 2
    assert post.outcomes() - before == {"sent": 1, "dropped": 1}
    post.core.backlog.measure()
    page = post.core.metrics.exposition()[1].decode()
    assert "outbox_pending_messages 0.0" in page
    assert "outbox_lag_seconds 0.0" in page
    post.core.backlog.forget()
