"""The threads that compute hashes, and the line before them."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from core.domain.fairness import FairLine, RecentUse
from core.errors import Overloaded
from core.ports.runtime import Metrics
from core.ports.security import HashJob

T = TypeVar("T")

LONGEST_LINE = 256
_NICENESS = 5
_USUAL_SECONDS = 0.05


class HashQueue:
    """Computes `concurrency` jobs at once: known ones first, then those of callers who had least.

    The threads are its own: the allocator keeps the memory of a hash for the thread that had it.
    On Linux they are also less urgent to the scheduler than those that answer requests.

    Args:
        concurrency: hashes at once, as each of them holds its memory and a core.
        metrics: is told of each job that is computed or waits.
        seconds: a monotonic clock.
    """

    def __init__(
        self,
        *,
        concurrency: int,
        metrics: Metrics,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threads = ThreadPoolExecutor(
            concurrency, thread_name_prefix="hash", initializer=_be_less_urgent
        )
        self._concurrency, self._at_work = concurrency, 0
        self._metrics = metrics
        self._lock = threading.Lock()
        self._use = RecentUse(usual=_USUAL_SECONDS, seconds=seconds)
        self._line: FairLine[Future[Any]] = FairLine(most=LONGEST_LINE, use=self._use)
        self._work: dict[Future[Any], Callable[[], Any]] = {}

    def submit(self, job: HashJob[T], *, caller: str) -> Future[T]:
        """Queues `job`; the future raises Overloaded when there was no room for it."""
        future: Future[T] = Future()
        # First, or it could be seen at work before it was counted.
        self._metrics.hashing_started()
        with self._lock:
            self._use.come(caller)
            self._work[future] = partial(self._counted, caller, job.work)
            displaced = self._line.join(future, caller, ahead=job.known)
            if displaced is not None:
                del self._work[displaced]
            begins = self._at_work < self._concurrency
            self._at_work += begins
        future.add_done_callback(partial(self._ended, caller))
        if displaced is not None and displaced.set_running_or_notify_cancel():
            displaced.set_exception(Overloaded(retry_after=1))
        if begins:
            self._threads.submit(self._work_off)
        return future

    def _work_off(self) -> None:
        """Computes until the line is empty."""
        while True:
            with self._lock:
                future = self._line.next()
                if future is None:
                    self._at_work -= 1
                    return
                work = self._work.pop(future)
            if future.set_running_or_notify_cancel():
                _compute(future, work)

    def _counted(self, caller: str, work: Callable[[], T]) -> T:
        began = self._use.now()
        try:
            return work()
        finally:
            with self._lock:
                self._use.add(caller, self._use.now() - began)

    def _ended(self, caller: str, future: Future[Any]) -> None:
        computed = not future.cancelled() and not isinstance(future.exception(), Overloaded)
        with self._lock:
            self._use.go(caller)
            if self._line.leave(future):
                del self._work[future]
        self._metrics.hashing_finished(computed=computed)


def _compute(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001  its waiter's to handle
        future.set_exception(error)
    else:
        future.set_result(result)


def _be_less_urgent() -> None:
    if sys.platform == "linux":
        # Of this thread alone: Linux keeps a nice value for each (sched(7), "The nice value").
        # A sandbox may forbid it, and then they are as urgent as the others.
        with suppress(OSError):
            thread = threading.get_native_id()
            # Added to the process's own, which may not be 0.
            own = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, own + _NICENESS)
