"""How many requests are at work at once, and whose turn it is when more of them come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from core.domain.fairness import FairLine, RecentUse
from core.errors import Overloaded

LONGEST_LINE = 512
_USUAL_SECONDS = 0.005


class Share:
    """Places for requests at work; the others wait, callers who had little lately come first.

    For one event loop.

    Args:
        places: how many are at work at once.
        use: what the callers had, here and elsewhere.
    """

    def __init__(self, places: int, use: RecentUse) -> None:
        self._free = places
        self.use = use
        self._line: FairLine[asyncio.Future[None]] = FairLine(most=LONGEST_LINE, use=use)

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._line)

    @asynccontextmanager
    async def place(self, caller: str, *, ahead: bool = False) -> AsyncIterator[None]:
        """Holds a place within the block; `ahead` as in FairLine.

        Raises:
            Overloaded: too many wait, and the others had less.
        """
        if self._free:
            self._free -= 1
        else:
            await self._turn(caller, ahead=ahead)
        began = self.use.now()
        try:
            yield
        finally:
            self.use.add(caller, self.use.now() - began)
            self._pass_on()

    async def _turn(self, caller: str, *, ahead: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        displaced = self._line.join(turn, caller, ahead=ahead)
        if displaced is not None and not displaced.done():
            displaced.set_exception(Overloaded(retry_after=1))
        try:
            await turn
        except BaseException:
            self._line.leave(turn)
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        while (turn := self._line.next()) is not None:
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


@dataclass(frozen=True)
class Shares:
    """Of the database's connections, as a request at work holds one at most.

    `credentials` is for routes that anybody may call with a guess, `searches` for what may read
    many rows, `others` for the rest: a flood of one leaves the others their places. A connection is
    left for `/health/ready`.
    """

    credentials: Share
    searches: Share
    others: Share
    key_reads: asyncio.Semaphore
    """Of those whose token cannot be judged before keys are read, one reads, outside of these
    places."""

    @classmethod
    def of(cls, connections: int) -> Shares:
        """The shares of a pool; where it has less than four connections they overlap."""
        credentials, others = max(1, connections // 3), max(1, (connections + 1) // 3)
        use = RecentUse(usual=_USUAL_SECONDS)
        return cls(
            credentials=Share(credentials, use),
            searches=Share(max(1, connections - credentials - others - 1), use),
            others=Share(others, use),
            key_reads=asyncio.Semaphore(1),
        )

    def by_name(self) -> dict[str, Share]:
        """For whoever watches them."""
        return {
            "credentials": self.credentials,
            "searches": self.searches,
            "others": self.others,
        }
