"""Password hashers that let a test see or steer what is computed, and what was counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from core.adapters.telemetry.metrics import PrometheusMetrics
from core.ports.security import HashJob, PasswordCheck, PasswordHasher
from core.services.stepwise import Steps, computed, stepwise

T = TypeVar("T")

PATIENCE = 30.0
"""Longer than a busy machine lets a hash wait to be counted."""


@dataclass
class InlineHasher:
    """Implements PasswordHasher by another one; each job is computed by the thread that submits
    it."""

    real: PasswordHasher
    patience: float = 10.0

    def hash(self, password: str, *, salt: bytes | None = None) -> HashJob[str]:
        return self.real.hash(password, salt=salt)

    def verify(self, password_hash: str | None, password: str) -> HashJob[PasswordCheck]:
        return self.real.verify(password_hash, password)

    def submit(self, job: HashJob[T], *, caller: str) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(job.work())
        except Exception as error:  # noqa: BLE001  its waiter's to handle
            future.set_exception(error)
        return future


class Interrupted(InlineHasher):
    """`meanwhile` happens behind each comparison."""

    def __init__(self, real: PasswordHasher, meanwhile: Callable[[], object]) -> None:
        super().__init__(real)
        self._meanwhile = meanwhile

    def verify(self, password_hash: str | None, password: str) -> HashJob[PasswordCheck]:
        compare = self.real.verify(password_hash, password)

        def work() -> PasswordCheck:
            check = compare.work()
            self._meanwhile()
            return check

        return HashJob(work)


@dataclass(frozen=True)
class Waiting:
    """A hasher as a use case without an event loop meets it: its caller waits for each hash."""

    hasher: PasswordHasher

    @stepwise
    def hash(self, password: str) -> Steps[str]:
        return (yield from computed(self.hasher.hash(password)))

    @stepwise
    def verify(self, password_hash: str | None, password: str) -> Steps[PasswordCheck]:
        return (yield from computed(self.hasher.verify(password_hash, password)))


def told(metrics: PrometheusMetrics) -> tuple[int, int]:
    """Hashes computed, and those computed or waiting now."""
    page = metrics.exposition()[1].decode()
    found = dict(line.split(" ") for line in page.splitlines() if line.startswith("password_"))
    return (
        int(float(found["password_hashes_total"])),
        int(float(found["password_hashes_in_flight"])),
    )


def comes_to(metrics: PrometheusMetrics, hashes: int) -> None:
    """A hash is counted a moment after its waiter has the result; and no other is."""
    ends = time.monotonic() + PATIENCE
    while told(metrics) != (hashes, 0):
        assert time.monotonic() < ends, told(metrics)
        time.sleep(0.01)
