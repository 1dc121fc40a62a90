"""Requests at work at once, and whose turn it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from core.domain.fairness import RecentUse
from core.errors import Overloaded
from handler.http.shares import LONGEST_LINE, Share, Shares
from tests.support.loops import settled
from tests.support.redis_places import Stopwatch


def play(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await story()

    asyncio.run(bounded())


def share_of_one() -> Share:
    """By a clock that stands: a wait on a busy machine would make up for use."""
    return Share(1, RecentUse(usual=0.005, seconds=Stopwatch()))


class Guest:
    """Takes a place and keeps it until it is told to go."""

    def __init__(self, share: Share, caller: str, seated: list[str]) -> None:
        self.go = asyncio.Event()
        self.task = asyncio.create_task(self._stay(share, caller, seated))

    async def _stay(self, share: Share, caller: str, seated: list[str]) -> None:
        share.use.come(caller)
        try:
            async with share.place(caller):
                seated.append(caller)
                await self.go.wait()
        finally:
            share.use.go(caller)

    async def leave(self) -> None:
        self.go.set()
        await self.task


def test_a_newcomer_comes_before_a_crowd() -> None:
    """Thirty requests of one caller wait, and another one asks once."""

    async def story() -> None:
        share, seated = share_of_one(), list[str]()
        first = Guest(share, "crowd", seated)
        crowd = [Guest(share, "crowd", seated) for _ in range(30)]
        await settled()
        newcomer = Guest(share, "newcomer", seated)
        await settled()
        assert seated == ["crowd"]
        await first.leave()
        await settled()
        assert seated == ["crowd", "newcomer"]
        for guest in (newcomer, *crowd):
            await guest.leave()
        assert len(seated) == 32

    play(story)


def test_what_has_begun_comes_before_newcomers() -> None:
    """Else requests that take several steps would never end while others begin."""

    async def story() -> None:
        share, seated = share_of_one(), list[str]()
        first = Guest(share, "first", seated)
        await settled()
        crowd = [Guest(share, str(number), seated) for number in range(5)]

        async def second_step() -> None:
            async with share.place("greedy", ahead=True):
                seated.append("second step")

        step = asyncio.create_task(second_step())
        await settled()
        await first.leave()
        await step
        await settled()
        assert seated[:2] == ["first", "second step"]
        for guest in crowd:
            guest.go.set()
        await asyncio.gather(*(guest.task for guest in crowd))

    play(story)


@pytest.mark.parametrize("granted", [False, True])
def test_a_place_of_one_who_gave_up_goes_to_the_next(granted: bool) -> None:
    """Cancelled while it waits, or in the moment in which its turn has come."""

    async def story() -> None:
        share, seated = share_of_one(), list[str]()
        first = Guest(share, "a", seated)
        await settled()
        gone = Guest(share, "b", seated)
        await settled()
        last = Guest(share, "c", seated)
        await settled()
        if granted:
            first.go.set()
            await asyncio.sleep(0)
        gone.task.cancel()
        with suppress(asyncio.CancelledError):
            await gone.task
        first.go.set()
        await first.task
        await settled()
        assert seated[-1] == "c"
        await last.leave()
        again = Guest(share, "d", seated)
        await settled()
        assert seated[-1] == "d"
        await again.leave()

    play(story)


def test_a_line_that_is_full_refuses_the_greediest() -> None:
    """Memory and waits stay bounded, and whoever had little is let in nevertheless."""

    async def story() -> None:
        share, seated = share_of_one(), list[str]()
        first = Guest(share, "crowd", seated)
        crowd = [Guest(share, "crowd", seated) for _ in range(LONGEST_LINE)]
        await settled()
        newcomer = Guest(share, "newcomer", seated)
        await settled()
        refused = [guest for guest in crowd if guest.task.done()]
        assert len(refused) == 1
        with pytest.raises(Overloaded) as told:
            await refused[0].task
        assert told.value.retry_after == 1
        await first.leave()
        await settled()
        assert seated == ["crowd", "newcomer"]
        for guest in (newcomer, *(each for each in crowd if each not in refused)):
            await guest.leave()

    play(story)


@pytest.mark.parametrize(
    ("pool", "places"),
    [(1, [1, 1, 1]), (4, [1, 1, 1]), (5, [1, 1, 2]), (10, [3, 3, 3]), (20, [6, 6, 7])],
)
def test_shares_leave_a_connection_for_readiness(pool: int, places: list[int]) -> None:
    """Whoever asks for readiness waits for no request, where there are connections enough."""

    async def story() -> None:
        shares = Shares.of(pool)
        for (name, share), most in zip(shares.by_name().items(), places, strict=True):
            seated: list[str] = []
            # Of equals the first one comes first.
            guests = [Guest(share, f"{name} {number}", seated) for number in range(pool + 1)]
            await settled()
            assert len(seated) == most
            for guest in guests:
                guest.go.set()
            await asyncio.gather(*(guest.task for guest in guests))
        assert sum(places) < max(pool, 4)

    play(story)
