"""Plays a load until its standard input ends, in a process that takes no turns from the others.

    python -m bench.loading

Reads a line of JSON: `port`, `load`, and `people` as bench.accounts gives them. Prints one at the
end: `statuses`, `seconds` of each request, how long it took (`lasted`), and how much of a core this
process used itself (`own_share`).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import closing
from itertools import islice
from typing import Any

import uvloop

from bench.accounts import from_plain
from bench.line import LOST, Answer, Line, NoAnswer
from bench.load_figures import Series
from bench.load_mixes import LOADS, Caller


async def play(port: int, callers: list[Caller], over: asyncio.Event) -> Series:
    """Each caller on a connection of its own, until `over`."""
    series = Series()
    calling = [asyncio.create_task(_call(Line(port), caller, series)) for caller in callers]
    await asyncio.wait(
        [asyncio.create_task(over.wait()), *calling], return_when=asyncio.FIRST_COMPLETED
    )
    failed = [task for task in calling if task.done()]
    for task in calling:
        task.cancel()
    await asyncio.gather(*calling, return_exceptions=True)
    for task in failed:
        task.result()
        raise RuntimeError("a caller ended by itself")
    return series


async def _call(line: Line, caller: Caller, series: Series) -> None:
    answer: Answer | None = None
    request = next(caller)
    with closing(line):
        while True:
            began = time.monotonic()
            try:
                answer = await line.ask(request)
            except NoAnswer:
                answer = None
            series.note(answer.outcome if answer else LOST, time.monotonic() - began)
            request = caller.send(answer)


async def _until_input_ends(plan: dict[str, Any]) -> dict[str, Any]:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    waiting = loop.run_in_executor(None, sys.stdin.read)
    waiting.add_done_callback(lambda _: over.set())
    load = LOADS[plan["load"]]
    callers = list(islice(load.callers(from_plain(plan["people"])), load.connections))
    began, worked = time.monotonic(), time.process_time()
    series = await play(plan["port"], callers, over)
    lasted = time.monotonic() - began
    return {
        "statuses": series.statuses,
        "seconds": series.seconds,
        "lasted": lasted,
        "own_share": (time.process_time() - worked) / lasted,
    }


def main() -> int:
    print(json.dumps(uvloop.run(_until_input_ends(json.loads(sys.stdin.readline())))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
