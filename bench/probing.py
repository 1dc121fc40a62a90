"""Asks at fixed rates for some seconds, whatever the answers take: nobody's patience hides a stall.

    python -m bench.probing

Reads a line of JSON: `port`, `load` or null, `seconds`, and as bench.accounts gives them `readers`
and `honest`. Prints one at the end: by kind of caller `statuses`, and `seconds` from the moment at
which each request was due.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from itertools import count, cycle
from typing import Any

import uvloop

from bench.accounts import from_plain
from bench.line import DEADLINE_SECONDS, LOST, Line, NoAnswer, request
from bench.load_figures import LIVE, READS, READY, Series, schedule
from bench.load_mixes import LOADS, Caller, Honest, own_address, reading, repeating
from tests.support.people import LoggedIn

PROBES_A_SECOND = 10.0


def probes(
    load: str | None, readers: Sequence[LoggedIn], honest: Sequence[LoggedIn]
) -> dict[str, Honest]:
    """By kind: what a cluster asks, other users' reads, and honest callers of the load's routes."""

    def health(kind: str) -> Honest:
        asked = request("GET", kind.partition(" ")[2], address=own_address())
        return Honest(rate=PROBES_A_SECOND, callers=(repeating([asked]) for _ in count()))

    places = cycle([(person, own_address()) for person in readers])
    reads = (reading(person, address) for person, address in places)
    return {
        LIVE: health(LIVE),
        READY: health(READY),
        READS: Honest(rate=PROBES_A_SECOND, callers=reads),
        **(LOADS[load].honest(honest, own_address()) if load else {}),
    }


class Probe:
    """One kind of caller: as many at once as it takes, each on a connection of its own."""

    def __init__(self, port: int, honest: Honest) -> None:
        self._port = port
        self._honest = honest
        self._free: asyncio.LifoQueue[tuple[Line, Caller, bytes]] = asyncio.LifoQueue()
        self.series = Series()

    async def ask_for(self, seconds: float, *, begins: float, offset: float) -> None:
        """`begins` is of time.monotonic(); returns when all are answered."""
        asking = []
        for due in schedule(self._honest.rate, seconds, offset=begins + offset):
            await asyncio.sleep(due - time.monotonic())
            asking.append(asyncio.create_task(self._ask(due)))
        await asyncio.gather(*asking)

    def close(self) -> None:
        while not self._free.empty():
            self._free.get_nowait()[0].close()

    async def _ask(self, due: float) -> None:
        deadline = asyncio.timeout(max(0.0, due + DEADLINE_SECONDS - time.monotonic()))
        try:
            # A caller may be waited for: it asks again with what its last answer gave.
            async with deadline:
                line, caller, request = await self._next()
        except TimeoutError:
            self.series.note(LOST, time.monotonic() - due)
            return
        try:
            answer = await line.ask(request, seconds=due + DEADLINE_SECONDS - time.monotonic())
        except NoAnswer:
            answer = None
        self.series.note(answer.outcome if answer else LOST, time.monotonic() - due)
        following = next_of(caller, answer)
        if following is not None:
            self._free.put_nowait((line, caller, following))
        else:
            line.close()

    async def _next(self) -> tuple[Line, Caller, bytes]:
        if self._free.empty():
            caller = next(self._honest.callers, None)
            if caller is not None:
                return Line(self._port), caller, next(caller)
        return await self._free.get()


def next_of(caller: Caller, answer: Any) -> bytes | None:
    """None when it has nothing more to ask."""
    try:
        return caller.send(answer)
    except StopIteration:
        return None


async def probe(plan: dict[str, Any]) -> dict[str, Any]:
    kinds = probes(plan["load"], from_plain(plan["readers"]), from_plain(plan["honest"]))
    running = {kind: Probe(plan["port"], honest) for kind, honest in kinds.items()}
    begins = time.monotonic() + 0.1
    await asyncio.gather(
        *(
            each.ask_for(plan["seconds"], begins=begins, offset=number * 0.013)
            for number, each in enumerate(running.values())
        )
    )
    for each in running.values():
        each.close()
    return {
        kind: {"statuses": each.series.statuses, "seconds": each.series.seconds}
        for kind, each in running.items()
    }


def main() -> int:
    print(json.dumps(uvloop.run(probe(json.loads(sys.stdin.readline())))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
