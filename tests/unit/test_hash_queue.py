"""The threads that hash, and the line before them."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from core.adapters.crypto.hash_queue import LONGEST_LINE, HashQueue
from core.adapters.telemetry.metrics import PrometheusMetrics
from core.errors import Overloaded
from core.ports.security import HashJob
from tests.support.hashers import comes_to, told
from tests.support.redis_places import Stopwatch

SECONDS = 30
"""Longer than a busy machine needs for anything here."""


def queue(
    metrics: PrometheusMetrics | None = None, *, seconds: Callable[[], float] | None = None
) -> HashQueue:
    """By a clock that stands, or a wait on a busy machine would make up for use."""
    return HashQueue(
        concurrency=1,
        metrics=metrics or PrometheusMetrics(version="1.2.3"),
        seconds=seconds or Stopwatch(),
    )


@contextmanager
def busy(hashes: HashQueue) -> Iterator[None]:
    """Its one thread is at work within the block."""
    began, end = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        end.wait(2 * SECONDS)

    held = hashes.submit(HashJob(work), caller="busy")
    assert began.wait(SECONDS)
    try:
        yield
    finally:
        end.set()
        held.result(SECONDS)


def test_a_newcomer_is_hashed_before_a_crowd() -> None:
    """A flood of guesses from few addresses keeps others waiting for one hash, not for all."""
    hashes, order = queue(), list[str]()
    with busy(hashes):
        crowd = [
            hashes.submit(HashJob(lambda: order.append("crowd")), caller="a") for _ in range(20)
        ]
        newcomer = hashes.submit(HashJob(lambda: order.append("newcomer")), caller="b")
    for each in (newcomer, *crowd):
        each.result(SECONDS)
    assert order == ["newcomer"] + ["crowd"] * 20


def test_what_a_caller_had_lately_counts() -> None:
    """Not only what waits now, and not what was only asked for."""
    clock, order = Stopwatch(), list[str]()
    hashes = queue(seconds=clock)
    hashes.submit(HashJob(lambda: clock.advance(0.2)), caller="greedy").result(SECONDS)
    with busy(hashes):
        greedy = hashes.submit(HashJob(lambda: order.append("greedy")), caller="greedy")
        modest = [
            hashes.submit(HashJob(lambda: order.append("modest")), caller="modest")
            for _ in range(2)
        ]
    for each in (greedy, *modest):
        each.result(SECONDS)
    assert order == ["modest", "modest", "greedy"]


def test_an_owner_at_a_known_address_comes_first() -> None:
    """However many others there are, and however little they had: a flood may come from anywhere
    but there."""
    clock, order = Stopwatch(), list[str]()
    hashes = queue(seconds=clock)
    hashes.submit(HashJob(lambda: clock.advance(0.2)), caller="home").result(SECONDS)
    with busy(hashes):
        flood = [
            hashes.submit(HashJob(lambda: order.append("flood")), caller=str(number))
            for number in range(20)
        ]
        owner = hashes.submit(HashJob(lambda: order.append("owner"), known=True), caller="home")
    for each in (owner, *flood):
        each.result(SECONDS)
    assert order[0] == "owner"


def test_a_full_line_refuses_the_greediest() -> None:
    """Memory stays bounded, and whoever asks for little still gets in."""
    metrics = PrometheusMetrics(version="1.2.3")
    hashes = queue(metrics)
    with busy(hashes):
        crowd = [hashes.submit(HashJob(lambda: None), caller="a") for _ in range(LONGEST_LINE)]
        newcomer = hashes.submit(HashJob(lambda: "done"), caller="b")
        refused = [each for each in crowd if each.done()]
        assert len(refused) == 1
        with pytest.raises(Overloaded) as sent_away:
            refused[0].result()
        assert sent_away.value.retry_after == 1
        assert told(metrics)[1] == LONGEST_LINE + 1
    assert newcomer.result(SECONDS) == "done"
    for each in crowd:
        each.exception(SECONDS)
    hashes.submit(HashJob(lambda: None), caller="a").result(SECONDS)
    # The one at work, the crowd without the refused one, the newcomer and the last one.
    comes_to(metrics, 1 + (LONGEST_LINE - 1) + 1 + 1)


def test_what_is_refused_leaves_nothing_behind() -> None:
    """An overload of hours takes no more memory than one of seconds."""
    hashes = queue()
    with busy(hashes):
        refused = [
            hashes.submit(HashJob(lambda: None), caller="a") for _ in range(3 * LONGEST_LINE)
        ]
        assert hashes._threads._work_queue.qsize() <= 1
        assert len(hashes._work) == LONGEST_LINE
    for each in refused:
        each.exception(SECONDS)
    hashes.submit(HashJob(lambda: None), caller="a").result(SECONDS)
    assert not hashes._work


def test_who_gave_up_is_not_hashed() -> None:
    """Its place in the line is free, and it counts as no hash."""
    metrics = PrometheusMetrics(version="1.2.3")
    hashes, done = queue(metrics), list[str]()
    with busy(hashes):
        gone = hashes.submit(HashJob(lambda: done.append("gone")), caller="a")
        stays = hashes.submit(HashJob(lambda: done.append("stays")), caller="a")
        assert gone.cancel()
    stays.result(SECONDS)
    assert done == ["stays"]
    hashes.submit(HashJob(lambda: None), caller="a").result(SECONDS)
    comes_to(metrics, 3)


def test_its_threads_are_less_urgent_than_those_that_answer() -> None:
    """Else reads would wait for processors behind hashes; whatever the process's own niceness is.
    Only Linux has one for each thread."""

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    less = min(niceness() + 5, 19) if sys.platform == "linux" else niceness()
    assert queue().submit(HashJob(niceness), caller="a").result(SECONDS) == less
