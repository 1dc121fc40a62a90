"""Turns of expensive reads: few at once, fewer for one caller, and given back whatever happens."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.errors import DomainError, Overloaded, SearchTooBroad, TooManyRequests
from handler.http import bulkhead as bulkhead_module
from handler.http.bulkhead import REMEMBERED_SECONDS, Bulkhead
from tests.support.loops import settled
from tests.support.redis_places import Stopwatch

ANN, BOB, CAT, DAN = (uuid4() for _ in range(4))
SECONDS = 30.0
"""Longer than a busy machine needs for anything here."""


@dataclass
class Counted:
    """What the bulkhead counts."""

    at_work: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def search_started(self) -> None:
        with self.lock:
            self.at_work += 1

    def search_finished(self) -> None:
        with self.lock:
            self.at_work -= 1

    def search_refused(self, reason: str) -> None:
        self.refused[reason] += 1


@dataclass
class Reads:
    """Reads that last until they are told to end."""

    bulkhead: Bulkhead
    metrics: Counted
    clock: Stopwatch
    begun: list[UUID] = field(default_factory=list)

    async def start(self, who: UUID, *, costly: bool = False) -> Read:
        """A read that has its turn, or waits for one."""
        read = Read(self, who, costly=costly)
        await asyncio.sleep(0)
        return read

    async def quick(self, *callers: UUID) -> None:
        """One read of each, which is over."""
        for who in callers:
            async with self.bulkhead.turn(who):
                pass

    async def costly(self, *callers: UUID) -> None:
        for who in callers:
            async with self.bulkhead.turn(who) as turn:
                turn.costly()


class Read:
    def __init__(self, reads: Reads, who: UUID, *, costly: bool) -> None:
        self._reads, self._who, self._costly = reads, who, costly
        self.over = asyncio.Event()
        self.task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        async with self._reads.bulkhead.turn(self._who) as turn:
            self._reads.begun.append(self._who)
            if self._costly:
                turn.costly()
            await self.over.wait()

    async def end(self) -> None:
        self.over.set()
        await self.task
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def refusal(self) -> DomainError:
        with pytest.raises(DomainError) as refused:
            await asyncio.wait_for(self.task, SECONDS)
        error: DomainError = refused.value
        return error


def reads(*, at_once: int = 2, wait: float = SECONDS) -> Reads:
    metrics, clock = Counted(), Stopwatch()
    bulkhead = Bulkhead(at_once=at_once, wait=wait, metrics=metrics, seconds=clock)
    return Reads(bulkhead, metrics, clock)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 2 * SECONDS))


def test_so_many_are_at_work_and_the_next_begins_when_one_ends() -> None:
    async def work() -> None:
        all_reads = reads(at_once=2)
        await all_reads.quick(ANN, BOB, CAT)
        first, second, third = [await all_reads.start(who) for who in (ANN, BOB, CAT)]
        assert (all_reads.begun, all_reads.metrics.at_work) == ([ANN, BOB], 2)
        await first.end()
        assert all_reads.begun == [ANN, BOB, CAT]
        await second.end()
        await third.end()
        assert all_reads.metrics.at_work == 0

    run(work())


def test_one_caller_has_half_of_the_turns() -> None:
    """However many reads they send, another one begins at once."""

    async def work() -> None:
        all_reads = reads(at_once=4)
        await all_reads.quick(ANN, BOB)
        of_ann = [await all_reads.start(ANN) for _ in range(20)]
        assert all_reads.begun == [ANN, ANN]
        of_bob = await all_reads.start(BOB)
        assert all_reads.begun == [ANN, ANN, BOB]
        for read in (*of_ann, of_bob):
            await read.end()
        assert all_reads.begun.count(ANN) == 20

    run(work())


def test_who_waits_too_long_is_told_whose_turns_were_taken() -> None:
    """The caller's own: 429. The process's: 503. Both say when to come again."""

    async def work() -> None:
        all_reads = reads(at_once=2, wait=0.05)
        await all_reads.quick(ANN, BOB, CAT)
        held = [await all_reads.start(who) for who in (ANN, BOB)]
        own = await (await all_reads.start(ANN)).refusal()
        full = await (await all_reads.start(CAT)).refusal()
        assert isinstance(own, TooManyRequests)
        assert (own.retry_after, own.limit, own.policy) == (1, 1, "searches")
        assert isinstance(full, Overloaded)
        assert full.retry_after == 1
        assert all_reads.metrics.refused == {"caller": 1, "process": 1}
        for read in held:
            await read.end()
        await all_reads.quick(ANN, CAT)

    run(work())


def test_one_whose_reads_are_costly_is_refused_for_their_own() -> None:
    """They hold the turn that such callers share."""

    async def work() -> None:
        all_reads = reads(at_once=8, wait=0.05)
        await all_reads.costly(ANN)
        held = await all_reads.start(ANN)
        refused = await (await all_reads.start(ANN)).refusal()
        assert isinstance(refused, TooManyRequests)
        assert (refused.retry_after, refused.limit) == (5, 1)
        await held.end()

    run(work())


def test_callers_of_costly_reads_share_one_turn_and_others_go_past() -> None:
    async def work() -> None:
        all_reads = reads(at_once=4)
        await all_reads.costly(ANN, BOB, DAN)
        await all_reads.quick(CAT)
        waiting = [await all_reads.start(who) for who in (ANN, BOB, DAN)]
        assert all_reads.begun == [ANN]
        of_cat = [await all_reads.start(CAT) for _ in range(2)]
        assert all_reads.begun == [ANN, CAT, CAT]
        await waiting[0].end()
        assert all_reads.begun == [ANN, CAT, CAT, BOB]
        for read in (*waiting[1:], *of_cat):
            await read.end()

    run(work())


def test_who_is_known_to_be_quick_is_first_and_who_is_costly_last() -> None:
    async def work() -> None:
        all_reads = reads(at_once=1)
        await all_reads.costly(BOB)
        await all_reads.quick(DAN)
        waiting = [await all_reads.start(who) for who in (ANN, BOB, CAT, DAN)]
        for read in (waiting[0], waiting[3], waiting[2], waiting[1]):
            await read.end()
        assert all_reads.begun == [ANN, DAN, CAT, BOB]

    run(work())


def test_a_costly_read_is_forgotten_and_comes_again_later() -> None:
    async def work() -> None:
        all_reads = reads(at_once=2, wait=0.05)
        await all_reads.costly(ANN, BOB)
        held = await all_reads.start(ANN)
        refused = await (await all_reads.start(BOB)).refusal()
        assert isinstance(refused, Overloaded)
        assert refused.retry_after == 5
        await held.end()
        all_reads.clock.advance(REMEMBERED_SECONDS)
        await all_reads.quick(BOB)
        assert list(all_reads.bulkhead._remembered) == [BOB]

    run(work())


@pytest.mark.parametrize("error", [SearchTooBroad(), ValueError("broken")])
def test_a_turn_comes_back_after_an_error(error: Exception) -> None:
    async def work() -> None:
        all_reads = reads(at_once=1)
        for _ in range(3):
            with pytest.raises(type(error)):
                async with all_reads.bulkhead.turn(ANN):
                    raise error
        assert all_reads.metrics.at_work == 0
        await all_reads.quick(BOB)
        broad = isinstance(error, SearchTooBroad)
        assert all_reads.metrics.refused == ({"too_broad": 3} if broad else {})

    run(work())


def test_a_turn_comes_back_when_its_request_is_given_up() -> None:
    """While it waits, while it works, and at the very moment at which its turn comes."""

    async def work() -> None:
        all_reads = reads(at_once=1)
        held, waiting, last = [await all_reads.start(who) for who in (ANN, BOB, CAT)]
        waiting.task.cancel()
        held.over.set()
        with suppress(asyncio.CancelledError):
            await waiting.task
        await held.task
        await settled()
        assert all_reads.begun == [ANN, CAT]
        last.task.cancel()
        with suppress(asyncio.CancelledError):
            await last.task
        of_dan, given_up = await all_reads.start(DAN), await all_reads.start(ANN)
        of_dan.over.set()
        await of_dan.task
        # Its turn has come, and it has not been told.
        given_up.task.cancel()
        with suppress(asyncio.CancelledError):
            await given_up.task
        await all_reads.quick(BOB)

    run(work())


def test_a_crowd_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many wait in all, and fewer of one caller's."""
    monkeypatch.setattr(bulkhead_module, "MOST_WAITING_EACH", 3)
    monkeypatch.setattr(bulkhead_module, "MOST_WAITING", 5)

    async def work() -> None:
        all_reads = reads(at_once=1, wait=60)
        held = await all_reads.start(DAN)
        waiting = [await all_reads.start(ANN) for _ in range(3)]
        assert isinstance(await (await all_reads.start(ANN)).refusal(), Overloaded)
        waiting += [await all_reads.start(BOB) for _ in range(2)]
        assert isinstance(await (await all_reads.start(CAT)).refusal(), Overloaded)
        assert isinstance(await (await all_reads.start(DAN)).refusal(), TooManyRequests)
        await held.end()
        for read in waiting:
            await read.end()
        assert len(all_reads.begun) == 6

    run(work())


def guarded(bulkhead: Bulkhead, kind: type[Any], touched: Counter[str], *names: str) -> Any:
    """`kind` with methods that note whether the bulkhead's lock is held."""

    def noting(name: str) -> Any:
        def method(self: Any, *values: Any) -> Any:
            touched["with the lock" if bulkhead._lock.locked() else f"without: {name}"] += 1
            return getattr(kind, name)(self, *values)

        return method

    return type("Guarded", (kind,), {name: noting(name) for name in names})


def test_what_loops_share_is_touched_with_the_lock_held() -> None:
    """A race would seldom show: the lock is seen at each touch, on every way out."""

    async def work() -> None:
        all_reads = reads(at_once=1, wait=0.05)
        bulkhead, touched = all_reads.bulkhead, Counter[str]()
        looks = ("__getitem__", "__setitem__", "__delitem__")
        bulkhead._held = guarded(bulkhead, Counter, touched, *looks, "total")()
        bulkhead._remembered = guarded(bulkhead, dict, touched, *looks, "get", "pop")()
        lines = ("append", "remove", "__contains__", "__iter__", "__len__")
        bulkhead._waiting = guarded(bulkhead, list, touched, *lines)()
        held = await all_reads.start(ANN)
        await (await all_reads.start(BOB)).refusal()
        bulkhead._wait = SECONDS
        waiting, given_up = await all_reads.start(CAT), await all_reads.start(DAN)
        given_up.task.cancel()
        with suppress(asyncio.CancelledError):
            await given_up.task
        await held.end()
        await waiting.end()
        assert all_reads.begun == [ANN, CAT]
        assert set(touched) == {"with the lock"}
        assert touched["with the lock"] > 20

    run(work())


def test_many_at_once_on_several_loops_never_exceed_the_bound() -> None:
    """AWS Lambda's loops come and go; here four run at once, and some reads fail."""
    all_reads = reads(at_once=3)
    lock, highest, failed = threading.Lock(), [0], list[BaseException]()
    at_work: Counter[UUID] = Counter()

    async def read(who: UUID, seed: int) -> None:
        with suppress(ValueError):
            async with all_reads.bulkhead.turn(who) as turn:
                with lock:
                    at_work[who] += 1
                    highest[0] = max(highest[0], at_work.total())
                    assert at_work[who] <= 2
                await asyncio.sleep(0.001)
                with lock:
                    at_work[who] -= 1
                if seed % 3 == 0:
                    turn.costly()
                if seed % 5 == 0:
                    raise ValueError

    async def all_of(callers: list[UUID]) -> None:
        random.shuffle(callers)
        await asyncio.gather(*(read(who, seed) for seed, who in enumerate(callers)))

    def loop() -> None:
        try:
            run(all_of([ANN, BOB, CAT, DAN] * 10))
        except BaseException as error:  # noqa: BLE001  raised in the other thread
            failed.append(error)

    threads = [threading.Thread(target=loop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * SECONDS)
    assert not failed
    assert 1 <= highest[0] <= 3
    assert all_reads.metrics.at_work == 0
    assert not all_reads.bulkhead._waiting
    assert not all_reads.bulkhead._held
    assert all_reads.bulkhead._unproven == 0
