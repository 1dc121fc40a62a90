"""The worker: delivers mails and cleans up; a process, a part of `user-api dev`, a Lambda job."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from core.bootstrap import Core
from core.errors import ConfigurationError, StorageUnavailable
from core.services.deliveries import BATCH

HOUSEKEEPING_SECONDS = 60.0

_LONGEST_PAUSE = 30.0
_COMPLAINT_SECONDS = 60.0

logger = logging.getLogger(__name__)


class Worker:
    """One loop. Several may run at once, in any number of processes: leases keep them apart.

    Nothing ends it but `stop`: what fails is tried again, after pauses that grow to half a minute.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._owner = f"{core.settings.pod_name}-{os.getpid()}-{secrets.token_hex(4)}"
        self._housekeeping_at = 0.0
        self._complained_at: dict[str, float] = {}
        self._turned_at = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Works until `stop`; finishes the message at hand, then hands back its leases."""
        failures = 0
        while not stop.is_set():
            self._turned_at = time.monotonic()
            handled = self._attempt("outbox", partial(self._deliver, stop, failures > 0))
            if time.monotonic() >= self._housekeeping_at:
                self._housekeeping_at = time.monotonic() + HOUSEKEEPING_SECONDS
                self._attempt("housekeeping", self._clean)
            failures = failures + 1 if handled is None else 0
            if not handled:
                stop.wait(self._pause(failures))
        self._attempt("release", self._hand_back)

    @property
    def alive(self) -> bool:
        """Whether it still turns; the longest turn is a batch of mails that all time out."""
        longest = BATCH * (self._core.settings.mail_timeout + 5) + HOUSEKEEPING_SECONDS
        return time.monotonic() - self._turned_at < longest

    def _deliver(self, stop: threading.Event, again: bool) -> int:
        if again:
            # What the failure left leased would wait for the end of the lease, minutes away.
            self._hand_back()
        return self._core.deliveries.run_once(owner=self._owner, stopping=stop.is_set)

    def _clean(self) -> int:
        return sum(self._core.housekeeping.run_once().values())

    def _hand_back(self) -> int:
        self._core.deliveries.release(owner=self._owner)
        return 0

    def _pause(self, failures: int) -> float:
        interval = self._core.settings.worker_poll_interval
        # The power is bounded, or an outage of hours would make a float overflow.
        return min(interval * 2.0 ** min(failures, 10), max(_LONGEST_PAUSE, interval))

    def _attempt(self, task: str, work: Callable[[], int]) -> int | None:
        """What `work` returns; None when it failed, which is logged at most once a minute."""
        try:
            return work()
        except StorageUnavailable as error:
            if self._may_complain(task):
                standby = self._core.storage.readiness().standby
                logger.warning("%s waits: %s", task, "a standby" if standby else error)
        except Exception:
            if self._may_complain(task):
                logger.exception("%s failed, and will be tried again", task)
        return None

    def _may_complain(self, task: str) -> bool:
        now = time.monotonic()
        due = now - self._complained_at.get(task, -_COMPLAINT_SECONDS) >= _COMPLAINT_SECONDS
        if due:
            self._complained_at[task] = now
        return due


def run_job(core: Core, name: str, deadline_seconds: float) -> Mapping[str, int]:
    """One scheduled job, repeated until nothing is due or time is up: what was done, by kind.

    Raises:
        ConfigurationError: there is no such job.
        StorageUnavailable: the database does not answer; the next invocation tries again.
    """
    ends = time.monotonic() + deadline_seconds
    if name == "outbox":
        return {"handled": _empty_outbox(core, ends)}
    if name == "housekeeping":
        return _clean_all(core, ends)
    raise ConfigurationError(f"there is no job {name!r}; the jobs are housekeeping and outbox")


def _empty_outbox(core: Core, ends: float) -> int:
    owner = f"{core.settings.pod_name}-job-{secrets.token_hex(4)}"
    total = 0
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
    return total


def _clean_all(core: Core, ends: float) -> Mapping[str, int]:
    total: Counter[str] = Counter()
    while time.monotonic() < ends:
        deleted = core.housekeeping.run_once()
        total.update(deleted)
        if not any(deleted.values()):
            break
    return dict(total)
