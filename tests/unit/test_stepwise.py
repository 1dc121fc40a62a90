"""Use cases that wait for hashes: one text for callers with and without a thread to spare."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

import pytest

from core.errors import NotFound, Overloaded
from core.ports.security import HashJob, PasswordCheck, PasswordHasher
from core.services.stepwise import Ended, Steps, advance, computed, stepwise
from tests.support.hashers import InlineHasher

T = TypeVar("T")


def answering(work: Callable[[], T]) -> HashJob[T]:
    return HashJob(work)


def failing() -> int:
    raise NotFound


class NoHasher:
    """Implements PasswordHasher; it makes no jobs of its own."""

    patience = 0.05

    def hash(self, password: str, *, salt: bytes | None = None) -> HashJob[str]:
        return answering(lambda: password)

    def verify(self, password_hash: str | None, password: str) -> HashJob[PasswordCheck]:
        return answering(lambda: PasswordCheck(matches=password_hash == password, rehash=False))

    def submit(self, job: HashJob[T], *, caller: str) -> Future[T]:
        return Future()


@dataclass
class Service:
    hasher: PasswordHasher = field(default_factory=lambda: InlineHasher(NoHasher()))
    closed: int = 0

    @stepwise
    def add(self, *jobs: HashJob[int], base: int = 0) -> Steps[int]:
        """Adds what the jobs give; one that fails counts as 100."""
        try:
            for job in jobs:
                try:
                    base += yield from computed(job)
                except NotFound:
                    base += 100
            return base
        finally:
            self.closed += 1


def test_called_it_runs_to_its_end() -> None:
    """For the command line and for tests; arguments and results are the method's own."""
    service = Service()
    assert service.add() == 0
    assert service.add(answering(lambda: 1), answering(lambda: 2), base=3) == 6
    assert service.add(answering(failing), answering(lambda: 2)) == 102
    assert service.closed == 3


def test_what_it_does_not_handle_goes_to_its_caller() -> None:
    """And what it holds is given back."""
    service = Service()
    with pytest.raises(ZeroDivisionError):
        service.add(answering(lambda: 1 // 0))
    assert service.closed == 1


def test_whose_turn_does_not_come_is_refused() -> None:
    """A job that never begins is taken back after the hasher's patience."""
    service = Service(hasher=NoHasher())
    with pytest.raises(Overloaded) as refused:
        service.add(answering(lambda: 1))
    assert refused.value.retry_after == 1
    assert service.closed == 1


def test_in_steps_its_caller_sees_to_the_jobs() -> None:
    """Nothing runs before the first step, and a use case given up gives back what it holds."""
    service = Service()
    job = answering(lambda: 5)
    steps = service.add.steps(job, base=1)
    assert advance(steps) is job
    future: Future[int] = Future()
    future.set_result(5)
    assert advance(steps, future) == Ended(6)

    given_up = service.add.steps(job)
    advance(given_up)
    given_up.close()
    assert service.closed == 2


def test_a_cancelled_job_is_an_overload_inside_the_use_case() -> None:
    """It can say what that means for it."""
    steps = Service().add.steps(answering(lambda: 5))
    advance(steps)
    future: Future[int] = Future()
    assert future.cancel()
    with pytest.raises(Overloaded):
        advance(steps, future)
