"""Many guesses at a password from many addresses, as fast as the server answers.

    python -m bench.guessing PORT PLAN

PLAN is a Plan as JSON. Prints a line of JSON a second (`done`), and at last one with `statuses`,
`lost` and `seconds`. A process of its own, so that it takes no turns from whoever measures.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

from bench.line import Line, NoAnswer
from bench.load_mixes import login
from tests.support.people import random_email

# A number of guesses that shares no factor with that of the addresses, so that all of them try.
_UNKNOWN_EACH = 101
_RANDOM_EACH, _RANDOM_FIRST = 20, 7
_TELL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Who is guessed at, how often, and from how many addresses, each of which makes `in_a_row`
    guesses before the next one has its turn; `seconds` is the deadline.

    A twentieth of the guesses is at random accounts: in turn at one of `others`, and at one that
    does not exist, each a new one. Their own counters are empty, so that each costs its hashes.
    """

    victim: str
    unknown: list[str]
    others: list[str]
    guesses: int
    addresses: int
    in_a_row: int
    connections: int
    seconds: float

    @property
    def at_random(self) -> int:
        """How many guesses are at random accounts."""
        return len(range(_RANDOM_FIRST, self.guesses, _RANDOM_EACH))

    def requests(self) -> Iterator[bytes]:
        """All requests; the addresses are what the trusted hop saw."""
        for number in range(self.guesses):
            address = number // self.in_a_row % self.addresses
            who = self._guessed_at(number)
            yield login(
                who,
                f"guess number {number:08}",
                f"10.66.{address // 250}.{address % 250 + 1}",
            )

    def _guessed_at(self, number: int) -> str:
        if number % _RANDOM_EACH == _RANDOM_FIRST:
            known = number // _RANDOM_EACH % 2
            return random.choice(self.others) if known else random_email()  # noqa: S311  a mix
        if number % _UNKNOWN_EACH == 0:
            return self.unknown[number // _UNKNOWN_EACH % len(self.unknown)]
        return self.victim


@dataclass
class Tally:
    """`statuses` by status, and by the policy that refused."""

    statuses: Counter[str] = field(default_factory=Counter)
    lost: int = 0

    @property
    def done(self) -> int:
        return self.statuses.total()


async def guess(port: int, requests: Iterator[bytes], tally: Tally) -> None:
    """Sends a request when the answer before has come."""
    with closing(Line(port)) as line:
        for request in requests:
            try:
                tally.statuses[(await line.ask(request)).outcome] += 1
            except NoAnswer:
                tally.lost += 1


async def attack(port: int, plan: Plan) -> Tally:
    """Raises TimeoutError after the plan's seconds."""
    tally, requests = Tally(), plan.requests()
    async with asyncio.timeout(plan.seconds), asyncio.TaskGroup() as guessers:
        pending = {
            guessers.create_task(guess(port, requests, tally)) for _ in range(plan.connections)
        }
        while pending:
            _, pending = await asyncio.wait(pending, timeout=_TELL_SECONDS)
            print(json.dumps({"done": tally.done}), flush=True)
    return tally


def main() -> int:
    port, plan = int(sys.argv[1]), Plan(**json.loads(sys.argv[2]))
    began = time.monotonic()
    try:
        tally = asyncio.run(attack(port, plan))
    except TimeoutError:
        print(f"the attack took more than {plan.seconds:g} s", file=sys.stderr)
        return 1
    seconds = time.monotonic() - began
    print(json.dumps({"statuses": tally.statuses, "lost": tally.lost, "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
