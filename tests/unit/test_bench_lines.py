"""The connections of a bench lose no answer, and a stall does not hide in its times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import repeat

import pytest

from bench.line import LOST, Line, NoAnswer, request
from bench.load_mixes import Honest, repeating
from bench.probing import Probe
from bench.service import total
from tests.support.server import free_port

ASKED = request("GET", "/", address="10.0.0.1")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(answer: Serve) -> AsyncIterator[tuple[int, list[int]]]:
    """The port, and the numbers of the connections."""
    connections: list[int] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(len(connections))
        try:
            await answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], connections
    finally:
        server.close()


async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)


async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(OK)
    await writer.drain()


async def told_of_the_end(line: Line) -> None:
    """Returns when the server's end of the connection has come."""
    loop, come = asyncio.get_running_loop(), asyncio.Event()
    assert line._socket is not None
    loop.add_reader(line._socket, come.set)
    async with asyncio.timeout(30):
        await come.wait()
    loop.remove_reader(line._socket)


@pytest.mark.parametrize(("answer", "opened"), [(keep, 1), (once, 3)])
def test_a_connection_is_kept_as_long_as_the_server_keeps_it(answer: Serve, opened: int) -> None:
    async def asking() -> None:
        async with serving(answer) as (port, connections):
            line = Line(port)
            for _ in range(3):
                found = await line.ask(ASKED)
                assert (found.status, found.body) == (200, b"ok")
                if answer is once:
                    await told_of_the_end(line)
            line.close()
            assert len(connections) == opened

    asyncio.run(asking())


def test_an_answer_before_the_end_of_the_body_counts() -> None:
    """And the rest of the body goes nowhere: the next request needs another connection."""

    async def asking() -> None:
        over = asyncio.Event()

        async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await over.wait()

        async with serving(early) as (port, connections):
            line = Line(port)
            for _ in range(2):
                large = request("POST", "/", address="10.0.0.1", body=b" " * 16_000_000)
                assert (await line.ask(large)).status == 200
            line.close()
            over.set()
            assert len(connections) == 2

    asyncio.run(asking())


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"])
def test_half_an_answer_is_none(sent: bytes) -> None:
    async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)

    async def asking() -> None:
        async with serving(broken) as (port, _):
            with pytest.raises(NoAnswer):
                await Line(port).ask(ASKED)

    asyncio.run(asking())


def test_a_wait_ends() -> None:
    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def asking() -> None:
        async with serving(silent) as (port, _):
            with pytest.raises(NoAnswer):
                await Line(port).ask(ASKED, seconds=0.05)

    asyncio.run(asking())


@pytest.mark.parametrize("callers", [1, 100])
def test_every_request_that_was_due_in_a_stall_tells_of_it(callers: int) -> None:
    """However few connections there are: the first answer takes 0.5 s, and with it all others that
    were due meanwhile."""

    async def asking() -> None:
        gate = asyncio.Event()

        async def stalled(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await gate.wait()
                writer.write(OK)

        async with serving(stalled) as (port, _):
            loop = asyncio.get_running_loop()
            loop.call_later(0.5, gate.set)
            probe = Probe(port, Honest(rate=50, callers=map(repeating, repeat([ASKED], callers))))
            await probe.ask_for(0.6, begins=loop.time(), offset=0.0)
            probe.close()
        assert probe.series.statuses == {"200": 30}
        assert sum(seconds > 0.1 for seconds in probe.series.seconds) >= 18
        assert probe.series.longest >= 0.45

    asyncio.run(asking())


def test_a_caller_without_an_answer_is_counted() -> None:
    """Nothing listens on the port."""

    async def asking() -> None:
        loop = asyncio.get_running_loop()
        probe = Probe(free_port(), Honest(rate=50, callers=iter([repeating([ASKED])])))
        await probe.ask_for(0.1, begins=loop.time(), offset=0.0)
        probe.close()
        assert probe.series.statuses == {LOST: 5}

    asyncio.run(asking())


def test_a_metric_is_added_up_over_its_labels() -> None:
    page = 'queries_total{table="a"} 2.0\nqueries_total{table="b"} 3.0\nother_queries_total 9.0\n'
    assert total(page, "queries_total") == 5
    assert total(page, "other_queries_total") == 9
    assert total(page, "missing_total") == 0
