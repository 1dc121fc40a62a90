"""Many guesses at a password from many addresses, as fast as the server answers.

    python -m bench.guessing PORT PLAN

PLAN is a Plan as JSON. Prints a line of JSON a second (`done`), and at last one with `statuses`,
`lost` and `seconds`. A process of its own, so that it takes no turns from whoever measures.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.line import Answer
from tests.support.people import random_email

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
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
            body = json.dumps({"identifier": who, "password": f"guess number {number:08}"})
            yield (
                "POST /v1/auth/login HTTP/1.1\r\nhost: localhost\r\n"
                f"x-forwarded-for: 10.66.{address // 250}.{address % 250 + 1}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}"
            ).encode()

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


class Guesser(asyncio.Protocol):
    """One connection: sends a request when the answer before has come."""

    def __init__(self, requests: Iterator[bytes], tally: Tally) -> None:
        self._requests = requests
        self._tally = tally
        self._received = b""
        self._waiting = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("not a stream")
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(_HEAD_END)
        if end < 0:
            return
        head = self._received[: end + 2]
        length = _LENGTH.search(head)
        if length is None or len(self._received) < end + 4 + int(length[1]):
            return
        self._received = b""
        self._tally.statuses[Answer(int(head[9:12]), head, b"").outcome] += 1
        self._next()

    def connection_lost(self, _: Exception | None) -> None:
        self._tally.lost += self._waiting
        if not self.ended.done():
            self.ended.set_result(None)

    def _next(self) -> None:
        request = next(self._requests, None)
        self._waiting = request is not None
        if request is None:
            self._transport.close()
        else:
            self._transport.write(request)


async def attack(port: int, plan: Plan) -> Tally:
    """Raises TimeoutError after the plan's seconds."""
    tally, requests = Tally(), plan.requests()
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(plan.seconds):
        guessers = [
            (await loop.create_connection(lambda: Guesser(requests, tally), "127.0.0.1", port))[1]
            for _ in range(plan.connections)
        ]
        pending: set[asyncio.Future[None]] = {guesser.ended for guesser in guessers}
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
