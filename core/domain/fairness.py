"""Whose turn it is, where more want a shared resource than it can serve.

Callers are served in the order of how much of it they lately had and how much of the time they were
there for it, the least first, and not in the order in which they came. Who asks now and then comes
before callers who press all the time, however many those are and however little each of them gets.
The idea is that of the least attained service first policy in scheduling.

Nobody is there for more than all of the time: the waits of a caller whose requests pile up do not
add up, or each wait would make the next one longer. And a long wait makes up for use: an endless
row of new callers does not keep out one who was here before.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

HALF_LIFE = 4.0
"""Seconds after which half of what a caller had is forgotten."""

_AGEING = 8.0
"""Seconds of use that a second in the line makes up for."""

_MOST_CALLERS = 10_000
_TURNS = 4


class RecentUse:
    """Seconds in which each caller was there for a resource, and those in which it had it, the
    older ones counting for less.

    It remembers the last 10,000 callers. Not safe for threads.

    Args:
        usual: seconds for which a caller usually has it.
        seconds: a monotonic clock.
    """

    def __init__(self, *, usual: float, seconds: Callable[[], float] = time.monotonic) -> None:
        self._usual = usual
        self._seconds = seconds
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._there: dict[str, tuple[int, float]] = {}

    def come(self, caller: str) -> None:
        """Counts the usual seconds at once, or a caller's many requests would all come first."""
        number, since = self._there.get(caller, (0, self._seconds()))
        self._there[caller] = number + 1, since
        self.add(caller, self._usual)

    def go(self, caller: str) -> None:
        """Counts the time instead, for one who came: that since it came, or since its last request
        went, whichever was later."""
        now = self._seconds()
        number, since = self._there.pop(caller)
        if number > 1:
            self._there[caller] = number - 1, now
        self.add(caller, now - since - self._usual)

    def add(self, caller: str, amount: float) -> None:
        """Counts `amount` seconds; a negative amount takes back what was counted too much."""
        self._used[caller] = (max(0.0, self.of(caller) + amount), self._seconds())
        self._used.move_to_end(caller)
        if len(self._used) > _MOST_CALLERS:
            self._used.popitem(last=False)

    def of(self, caller: str) -> float:
        """What is left of it by now, in seconds."""
        return self.at(self._seconds(), caller)

    def at(self, moment: float, caller: str) -> float:
        """What is left of it at a moment of the clock."""
        amount, since = self._used.get(caller, (0.0, moment))
        return amount * math.exp2((since - moment) / HALF_LIFE)

    def now(self) -> float:
        """The moment, for `at`."""
        return self._seconds()


class FairLine(Generic[T]):
    """Waiting items, each of one caller. Not safe for threads.

    Args:
        most: how many may wait.
        use: what the callers had.
    """

    def __init__(self, *, most: int, use: RecentUse) -> None:
        self._most = most
        self._use = use
        self._waiting: dict[T, tuple[bool, str, float]] = {}
        self._turns = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, item: T, caller: str, *, ahead: bool = False) -> T | None:
        """Takes `item` in; with `ahead` it has three turns of four before all that are not.

        Returns:
            The item that has to leave when there is no room: that of the caller who had most, which
            may be the new one.
        """
        self._waiting[item] = (not ahead, caller, self._use.now())
        if len(self._waiting) <= self._most:
            return None
        # Of equals the last one.
        dearest = max(reversed(self._waiting), key=self._had(by_use_alone=True))
        del self._waiting[dearest]
        return dearest

    def next(self) -> T | None:
        """Takes out the item of the caller who had least, of equals the first one."""
        if not self._waiting:
            return None
        self._turns += 1
        # Else those that are ahead could keep the others waiting for ever.
        chosen = min(self._waiting, key=self._had(by_use_alone=self._turns % _TURNS == 0))
        del self._waiting[chosen]
        return chosen

    def leave(self, item: T) -> bool:
        """Takes `item` out; False when it was out before."""
        return self._waiting.pop(item, None) is not None

    def _had(self, *, by_use_alone: bool) -> Callable[[T], tuple[bool, float]]:
        # All at one moment, or the one who is looked at last would have less than an equal.
        moment = self._use.now()

        def standing(item: T) -> tuple[bool, float]:
            behind, caller, came = self._waiting[item]
            had = self._use.at(moment, caller) - _AGEING * (moment - came)
            return behind and not by_use_alone, had

        return standing
