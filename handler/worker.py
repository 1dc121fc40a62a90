"""The worker: delivers mails and cleans up; a process, a part of `user-api dev`, a Lambda job."""

from __future__ import annotations

import logging
import os
import reprlib
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from core.bootstrap import Core
from core.errors import ConfigurationError, StorageUnavailable
from handler.relays import open_reports

HOUSEKEEPING_SECONDS = 60.0
MEASURE_SECONDS = 10.0
REPORTS_SECONDS = 10.0

_LONGEST_PAUSE = 30.0
# Mails wait for the promotion: it is noticed within this time.
_LONGEST_STANDBY_PAUSE = 5.0
_COMPLAINT_SECONDS = 60.0

logger = logging.getLogger(__name__)


class Worker:
    """One loop. Several may run at once, in any number of processes: leases keep them apart.

    Nothing ends it but `stop`: what fails is tried again, after pauses that grow to half a minute.
    While the database is a standby it asks once per pause whether that is still so, and does
    nothing else.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._read_reports = open_reports(core.settings.mail_events_queue, core.suppressions)
        self._owner = f"{core.settings.pod_name}-{os.getpid()}-{secrets.token_hex(4)}"
        self._usable = False
        self._standby = False
        self._next: dict[str, float] = {}
        self._complained_at: dict[str, float] = {}
        self._turned_at = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Works until `stop`; finishes the message at hand, then hands back its leases."""
        failures = 0
        while not stop.is_set():
            self._turned_at = time.monotonic()
            handled = self._turn(stop)
            failures = failures + 1 if handled is None else 0
            if not handled:
                stop.wait(self._pause(failures))
        if not self._standby:
            self._attempt("release", self._hand_back)

    @property
    def alive(self) -> bool:
        """Whether it still turns; the longest turn is a batch of mails that all time out."""
        longest = self._core.deliveries.longest_batch + HOUSEKEEPING_SECONDS
        return time.monotonic() - self._turned_at < longest

    def _turn(self, stop: threading.Event) -> int | None:
        """Messages handled; None when it could not be worked."""
        if not self._usable and not self._attempt("worker", self._look):
            return None
        if self._read_reports is not None:
            self._every(REPORTS_SECONDS, "mail events", partial(self._read_reports, stop.is_set))
        deliver = partial(self._core.deliveries.run_once, owner=self._owner, stopping=stop.is_set)
        handled = self._attempt("outbox", deliver)
        self._every(MEASURE_SECONDS, "backlog", self._measure)
        self._every(HOUSEKEEPING_SECONDS, "housekeeping", self._clean)
        return handled

    def _look(self) -> int:
        """1 when the database is there and takes writes, else 0.

        What a failure left leased would wait for the end of the lease, minutes away: it is handed
        back.
        """
        found = self._core.storage.readiness()
        if not found.database:
            raise StorageUnavailable
        self._note_standby(found.standby)
        if found.standby:
            return 0
        if not found.schema:
            raise ConfigurationError("the schema is not at this version: run user-api migrate")
        self._hand_back()
        self._usable = True
        return 1

    def _note_standby(self, standby: bool) -> None:
        if standby and not self._standby:
            logger.info("the database is a standby: waiting for its promotion")
            self._core.backlog.forget()
        elif self._standby and not standby:
            logger.info("the database is no standby any more")
        self._standby = standby

    def _measure(self) -> int:
        self._core.backlog.measure()
        return 0

    def _clean(self) -> int:
        return sum(self._core.housekeeping.run_once().values())

    def _hand_back(self) -> int:
        self._core.deliveries.release(owner=self._owner)
        return 0

    def _pause(self, failures: int) -> float:
        interval = self._core.settings.worker_poll_interval
        longest = _LONGEST_STANDBY_PAUSE if self._standby else _LONGEST_PAUSE
        # The power is bounded, or an outage of hours would make a float overflow.
        return min(interval * 2.0 ** min(failures, 10), max(longest, interval))

    def _every(self, seconds: float, task: str, work: Callable[[], int]) -> None:
        now = time.monotonic()
        if self._usable and now >= self._next.get(task, now):
            self._next[task] = now + seconds
            self._attempt(task, work)

    def _attempt(self, task: str, work: Callable[[], int]) -> int | None:
        """What `work` returns; None when it failed, which is logged at most once a minute."""
        try:
            return work()
        except (StorageUnavailable, ConfigurationError) as error:
            if self._may_complain(task):
                logger.warning("%s waits: %s", task, error)
        except Exception:
            if self._may_complain(task):
                logger.exception("%s failed, and will be tried again", task)
        self._usable = False
        return None

    def _may_complain(self, task: str) -> bool:
        now = time.monotonic()
        due = now - self._complained_at.get(task, -_COMPLAINT_SECONDS) >= _COMPLAINT_SECONDS
        if due:
            self._complained_at[task] = now
        return due


def run_job(core: Core, name: object, deadline_seconds: float) -> Mapping[str, int]:
    """One scheduled job, repeated until nothing is due or time is up: what was done, by kind.

    On a standby nothing is, and the answer is `{"standby": 1}`.

    Raises:
        ConfigurationError: there is no such job.
        StorageUnavailable: the database does not answer; the next invocation tries again.
    """
    ends = time.monotonic() + deadline_seconds
    job = _JOBS.get(name) if isinstance(name, str) else None
    if job is None:
        # Shortened: it is whatever the event holds.
        named = reprlib.repr(name)
        raise ConfigurationError(f"there is no job {named}; the jobs are housekeeping and outbox")
    if core.storage.readiness().standby:
        logger.info("the database is a standby: the job %s waits for its promotion", name)
        core.backlog.forget()
        return {"standby": 1}
    return job(core, ends)


def _empty_outbox(core: Core, ends: float) -> Mapping[str, int]:
    owner = f"{core.settings.pod_name}-job-{secrets.token_hex(4)}"
    total = 0
    # First, so that no mail goes to an address that is known to refuse it.
    reports = _read_all_reports(core, ends)
    try:
        while time.monotonic() < ends:
            handled = core.deliveries.run_once(
                owner=owner, stopping=lambda: time.monotonic() >= ends
            )
            if not handled:
                break
            total += handled
    finally:
        core.deliveries.release(owner=owner)
    core.backlog.measure()
    return {"handled": total} | ({} if reports is None else {"mail_events": reports})


def _read_all_reports(core: Core, ends: float) -> int | None:
    """None without a queue. One that fails must not keep the mails."""
    read = open_reports(core.settings.mail_events_queue, core.suppressions)
    if read is None:
        return None
    total = 0
    try:
        # What cannot be read comes back only after its time of invisibility: this ends.
        while time.monotonic() < ends and (count := read(lambda: time.monotonic() >= ends)):
            total += count
    except ConfigurationError as error:
        logger.warning("mail events wait: %s", error)
    return total


def _clean_all(core: Core, ends: float) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    while time.monotonic() < ends:
        deleted = core.housekeeping.run_once()
        total.update(deleted)
        if not any(deleted.values()):
            break
    return dict(total)


_JOBS: Mapping[str, Callable[[Core, float], Mapping[str, int]]] = {
    "outbox": _empty_outbox,
    "housekeeping": _clean_all,
}
