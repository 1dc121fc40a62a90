"""Use cases that wait for password hashes, written once for callers with and without a thread.

A hash takes as long as many statements, and more of them are asked for than can be computed. A
thread that waits for one serves nobody else, so an event loop runs such a use case in steps: each
in a thread, and between them it waits without one (docs/decisions/0023).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from core.errors import Overloaded
from core.ports.security import HashJob, PasswordHasher

P = ParamSpec("P")
R = TypeVar("R")

Steps = Generator[HashJob[Any], Any, R]
"""A use case under way: it yields jobs, is sent their results, and returns what it is for."""


class _Hashing(Protocol):
    @property
    def hasher(self) -> PasswordHasher: ...


S = TypeVar("S", bound=_Hashing)


@dataclass(frozen=True)
class Ended(Generic[R]):
    """What a use case has returned."""

    result: R


def computed(job: HashJob[R], *, known: bool = False) -> Steps[R]:
    """For `result = yield from computed(job)`. No unit of work may be open there."""
    result: R = yield replace(job, known=known) if known else job
    return result


def advance(steps: Steps[R], done: Future[Any] | None = None) -> HashJob[Any] | Ended[R]:
    """Runs a use case to its next job, or to its end.

    Args:
        steps: the use case.
        done: the future of its last job; one that was cancelled did not have its turn in time.

    Raises:
        Overloaded: `done` was cancelled or displaced.
        Exception: what the use case raises.
    """
    try:
        if done is None:
            return next(steps)
        error = Overloaded(retry_after=1) if done.cancelled() else done.exception()
        return steps.send(done.result()) if error is None else steps.throw(error)
    except StopIteration as end:
        return Ended(end.value)


class StepwiseCall(Generic[P, R]):
    """A use case of one service: called, it runs in this thread to its end."""

    def __init__(self, hasher: PasswordHasher, begin: Callable[P, Steps[R]]) -> None:
        self._hasher = hasher
        self.steps = begin
        """Begins the use case for a caller that sees to the jobs itself."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Raises what the use case raises, and Overloaded."""
        with closing(self.steps(*args, **kwargs)) as steps:
            reached = advance(steps)
            while isinstance(reached, HashJob):
                reached = advance(steps, self._outcome(reached))
            return reached.result

    def _outcome(self, job: HashJob[Any]) -> Future[Any]:
        future = self._hasher.submit(job, caller="")
        try:
            future.exception(self._hasher.patience)
        except TimeoutError:
            if not future.cancel():
                # It has begun, and takes milliseconds.
                future.exception()
        return future


class stepwise(Generic[S, P, R]):  # noqa: N801  used as a decorator, like `property`
    """Makes a method that is a generator of steps a StepwiseCall; its class has a `hasher`."""

    def __init__(self, method: Callable[Concatenate[S, P], Steps[R]]) -> None:
        self._method = method

    def __get__(self, service: S, owner: type[S]) -> StepwiseCall[P, R]:
        def begin(*args: P.args, **kwargs: P.kwargs) -> Steps[R]:
            return self._method(service, *args, **kwargs)

        return StepwiseCall(service.hasher, begin)
