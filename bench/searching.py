"""Requests of many callers at a server, and what each kind of them got.

    python -m bench.searching PORT < PLAN

PLAN is a Plan as JSON. Prints one line of JSON: by kind `statuses` and `milliseconds`. A process of
its own, so that it takes no turns from the server that it measures.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_RETRY_AFTER = re.compile(rb"\r\nretry-after: (\d+)", re.IGNORECASE)
_TYPE = re.compile(rb'"type":"/problems/([a-z-]+)"')


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Sends `requests` in turn: one each `every` seconds, however long the answers take, or, with
    0, the next one when it has its answer and has waited as long as that says (Retry-After)."""

    kind: str
    requests: list[str]
    every: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    callers: list[Caller]
    seconds: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        plan = json.loads(text)
        callers = [Caller(**caller) for caller in plan["callers"]]
        return cls(callers=callers, seconds=plan["seconds"])


@dataclass
class Tally:
    """`statuses` by status and, for a refusal, its problem; `lost` among them."""

    statuses: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)


class Load:
    """All callers of a plan, each with connections of its own."""

    def __init__(self, port: int, plan: Plan) -> None:
        self._port = port
        self._plan = plan
        self.tallies: dict[str, Tally] = {caller.kind: Tally() for caller in plan.callers}

    async def run(self) -> None:
        """Callers begin spread over a second."""
        ends = time.monotonic() + self._plan.seconds
        callers = self._plan.callers
        starts = [number / len(callers) for number in range(len(callers))]
        async with asyncio.timeout(self._plan.seconds + 40):
            await asyncio.gather(
                *(
                    self._play(each, start, ends)
                    for each, start in zip(callers, starts, strict=True)
                )
            )

    async def _play(self, caller: Caller, start: float, ends: float) -> None:
        await asyncio.sleep(start)
        requests = itertools.cycle(caller.requests)
        line = _Line(self._port, self.tallies[caller.kind])
        if not caller.every:
            while time.monotonic() < ends:
                wait = await line.ask(next(requests))
                await asyncio.sleep(wait)
            return
        under_way = set()
        due = time.monotonic()
        while due < ends:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(line.ask(next(requests)))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            due += caller.every
        await asyncio.gather(*under_way)


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Line:
    """Connections of one caller, used again."""

    def __init__(self, port: int, tally: Tally) -> None:
        self._port = port
        self._tally = tally
        self._idle: list[_Stream] = []

    async def ask(self, request: str) -> float:
        """Seconds to wait before the next one."""
        began = time.perf_counter()
        try:
            stream = self._idle.pop() if self._idle else await self._open()
            stream[1].write(request.encode())
            head, body = await _answer(stream[0])
        except (OSError, asyncio.IncompleteReadError):
            self._tally.statuses["lost"] += 1
            return 1.0
        self._idle.append(stream)
        self._tally.milliseconds.append((time.perf_counter() - began) * 1000)
        status, problem = head[9:12].decode(), _TYPE.search(body)
        refused = int(status) >= 400 and problem is not None
        self._tally.statuses[
            f"{status} {problem[1].decode()}" if refused and problem else status
        ] += 1
        again = _RETRY_AFTER.search(head)
        return float(again[1]) if again else 0.0

    async def _open(self) -> _Stream:
        return await asyncio.open_connection("127.0.0.1", self._port)


async def _answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(_HEAD_END)
    length = _LENGTH.search(head)
    if length is None:
        raise OSError("an answer without a length")
    return head, await reader.readexactly(int(length[1]))


def main() -> int:
    load = Load(int(sys.argv[1]), Plan.from_json(sys.stdin.read()))
    asyncio.run(load.run())
    print(json.dumps({kind: vars(tally) for kind, tally in load.tallies.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
