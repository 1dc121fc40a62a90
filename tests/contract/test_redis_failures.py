"""Redis slow, frozen, down, flushed or broken: an answer all the same, and what it costs."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from core.adapters.memory.limiter import MemoryRateLimiter
from core.adapters.redis.connection import BoundedConnection, Waits, opened_within
from core.ports.runtime import LimitState
from tests.support.redis_places import PATIENT, RedisPlace, Stopwatch
from tests.support.redis_proxy import RedisProxy, redis_proxy
from tests.support.redis_server import RedisServer, redis_server, start_redis

SHORT = Waits(answer=0.2, connect=2, pause=1)
"""Where every wait is in vain. The shipped ones are for a machine of its own; here they only have
to be bounded."""
LONGER = Waits(answer=2, connect=10, pause=1)
"""Where a wait is in vain and then an answer comes in time, on a machine that is busy too."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that this test may mistreat."""
    with redis_server(tmp_path) as running:
        yield running


@pytest.fixture
def proxy(server: RedisServer) -> Iterator[RedisProxy]:
    with redis_proxy(server.port) as running:
        yield running


@pytest.fixture
def watch() -> Stopwatch:
    """What the breaker goes by."""
    return Stopwatch()


@pytest.fixture
def place(proxy: RedisProxy, watch: Stopwatch) -> Iterator[RedisPlace]:
    """Through the proxy, with waits that no busy machine makes too short."""
    with through(proxy, watch, PATIENT) as made:
        yield made


@contextmanager
def through(proxy: RedisProxy, watch: Stopwatch, waits: Waits) -> Iterator[RedisPlace]:
    made = RedisPlace.at(f"redis://127.0.0.1:{proxy.port}", waits=waits, seconds=watch)
    with closing(made.server):
        yield made


def freeze(server: RedisServer, proxy: RedisProxy) -> None:
    server.freeze()


def kill(server: RedisServer, proxy: RedisProxy) -> None:
    server.stop()


def slow_down(server: RedisServer, proxy: RedisProxy) -> None:
    proxy.passing.clear()


def cut_replies(server: RedisServer, proxy: RedisProxy) -> None:
    proxy.cut = 2


def pause_clients(server: RedisServer, proxy: RedisProxy) -> None:
    server.command("CLIENT", "PAUSE", 60_000, "ALL")


def run_out_of_memory(server: RedisServer, proxy: RedisProxy) -> None:
    server.command("CONFIG", "SET", "maxmemory", "1")


FAULTS = [freeze, kill, slow_down, cut_replies, pause_clients, run_out_of_memory]


def hits(place: RedisPlace, number: int, *, memory: MemoryRateLimiter | None = None) -> list[bool]:
    limiter = place.limiter(memory)
    return [limiter.hit("address", limit=3, window=60).allowed for _ in range(number)]


@pytest.mark.parametrize("fault", FAULTS)
def test_memory_answers_and_redis_is_tried_once(
    server: RedisServer,
    proxy: RedisProxy,
    watch: Stopwatch,
    fault: Callable[[RedisServer, RedisProxy], None],
) -> None:
    """Of a hundred requests in a second one waits for the server that fails; limits hold."""
    with through(proxy, watch, SHORT) as place:
        assert hits(place, 1) == [True]
        fault(server, proxy)
        memory = MemoryRateLimiter()
        sent, failed = (counter["limit"] for counter in (place.metrics.sent, place.metrics.failed))
        # A busy machine may have failed the first one too.
        watch.advance(1.01)
        assert hits(place, 100, memory=memory) == [True] * 3 + [False] * 97
        assert place.metrics.sent["limit"] - sent == 1
        for _ in range(5):
            watch.advance(1.01)
            hits(place, 100, memory=memory)
        assert place.metrics.sent["limit"] - sent == 6
        assert place.metrics.failed["limit"] - failed == 6
        cache = place.cache()
        cache.put("k", b"value", seconds=60)
        assert cache.get("k") == b"value"
        assert place.server.reachable() is False


@pytest.mark.parametrize("fault", [freeze, slow_down, pause_clients])
def test_others_do_not_wait_for_the_one_who_tries(
    server: RedisServer,
    proxy: RedisProxy,
    watch: Stopwatch,
    fault: Callable[[RedisServer, RedisProxy], None],
) -> None:
    """Fifty requests at once, when the pause is over: one more command."""
    fault(server, proxy)
    with through(proxy, watch, SHORT) as place:
        hits(place, 1)
        watch.advance(1.01)
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: hits(place, 1), range(50)))
        assert place.metrics.sent["limit"] == 2


@pytest.mark.parametrize("back", ["thawed", "restarted"])
def test_it_comes_back_by_itself(
    server: RedisServer, proxy: RedisProxy, watch: Stopwatch, back: str, tmp_path: Path
) -> None:
    """A second after the server answers again, it counts again."""
    server.freeze()
    with through(proxy, watch, LONGER) as place, ExitStack() as stack:
        hits(place, 3)
        assert place.metrics.failed["limit"] == 1
        again = server
        if back == "thawed":
            server.thaw()
        else:
            server.stop()
            again = start_redis(tmp_path, port=server.port)
            stack.callback(again.stop)
        watch.advance(1.01)
        ends = time.monotonic() + 30
        while place.server.reachable() is False and time.monotonic() < ends:
            watch.advance(1.01)
        failed = place.metrics.failed["limit"]
        assert hits(place, 1) == [True]
        assert place.metrics.failed["limit"] == failed
        assert place.server.reachable() is True
        assert again.command("DBSIZE") == 1


def test_a_flushed_server_counts_anew(server: RedisServer, place: RedisPlace) -> None:
    """Limits start again and answers are gone; scripts that are flushed too are no failure."""
    assert hits(place, 4) == [True, True, True, False]
    cache = place.cache()
    cache.put("k", b"value", seconds=60)
    server.command("FLUSHALL")
    server.command("SCRIPT", "FLUSH")
    assert cache.get("k") is None
    assert hits(place, 4) == [True, True, True, False]
    assert not place.metrics.failed


@contextmanager
def passing_behind_a_request(proxy: RedisProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Held replies go on as soon as the next request is sent, before its own one. redis-py drops a
    connection on which one waits already."""
    read = BoundedConnection.read_response

    def pass_and_read(connection: BoundedConnection, *args: Any, **options: Any) -> Any:
        proxy.passing.set()
        return read(connection, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(BoundedConnection, "read_response", pass_and_read)
        yield


def test_a_reply_that_comes_late_is_nobody_elses(
    proxy: RedisProxy, watch: Stopwatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes with the wait that was given up (redis-py CVE-2023-28858)."""
    rounds = 3
    with through(proxy, watch, LONGER) as place:
        cache = place.cache()
        for n in range(2 * rounds):
            cache.put(f"k{n}", b"value of %d" % n, seconds=60)
        for n in range(rounds):
            proxy.passing.clear()
            assert cache.get(f"k{n}") is None
            watch.advance(1.01)
            with passing_behind_a_request(proxy, monkeypatch):
                for _ in range(2):
                    assert cache.get(f"k{n + rounds}") == b"value of %d" % (n + rounds)
        assert place.metrics.failed == {"get": rounds}


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_a_command_that_is_cut_short_takes_its_connection_along(
    place: RedisPlace,
    proxy: RedisProxy,
    watch: Stopwatch,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException],
) -> None:
    """Whatever ends a request between command and reply, its reply is not the next request's."""
    cache = place.cache()
    cache.put("mine", b"mine", seconds=60)
    cache.put("theirs", b"theirs", seconds=60)
    before = proxy.connections
    proxy.passing.clear()

    def end(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(BoundedConnection, "read_response", end)
        assert cache.get("theirs") is None
    watch.advance(1.01)
    with passing_behind_a_request(proxy, monkeypatch):
        assert cache.get("mine") == b"mine"
    assert proxy.connections == before + 1


def test_what_somebody_else_wrote_is_not_believed(server: RedisServer, place: RedisPlace) -> None:
    """A value is sealed for its key: neither made up, nor moved, nor read in Redis."""
    cache = place.cache()
    cache.put("mine", b"my secret", seconds=60)
    cache.put("theirs", b"their secret", seconds=60)
    mine, theirs = (place.names.of("cache", key) for key in ("mine", "theirs"))
    assert b"secret" not in server.command("GET", mine)
    server.command("COPY", theirs, mine, "REPLACE")
    assert cache.get("mine") is None
    server.command("SET", mine, "made up")
    assert cache.get("mine") is None
    assert cache.get("theirs") == b"their secret"
    assert place.metrics.cache == {True: 1, False: 2}


def test_a_key_of_another_type_is_no_failed_request(
    server: RedisServer, place: RedisPlace, watch: Stopwatch
) -> None:
    """Memory answers for it."""
    server.command("RPUSH", place.names.of("limit", "address"), "x")
    assert hits(place, 4) == [True, True, True, False]
    assert place.metrics.failed["limit"] == 1


def test_redis_holds_no_address(server: RedisServer, place: RedisPlace) -> None:
    """Keys are pseudonyms and end by themselves."""
    place.limiter().hit("address:203.0.113.7", limit=3, window=60)
    place.cache().put("refusal:203.0.113.7", b"person@example.com", seconds=60)
    keys = server.command("KEYS", "*")
    assert len(keys) == 2
    for key in keys:
        assert key.startswith(b"user-api:")
        assert b"203.0.113.7" not in key
        assert 0 < server.command("TTL", key.decode()) <= 60


def test_an_outage_is_told_once_a_minute(
    proxy: RedisProxy,
    place: RedisPlace,
    watch: Stopwatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And its end once; the lines name no address and no password."""
    caplog.set_level(logging.INFO)
    proxy.cut = 1
    for _ in range(100):
        hits(place, 2)
        watch.advance(1.1)
    proxy.cut = None
    assert place.server.reachable()
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "redis fails (ConnectionError): limits and caches stay in this process",
        "redis fails (ConnectionError): limits and caches stay in this process",
        "redis answers again",
    ]


def test_a_wrong_certificate_is_no_connection(
    redis_urls: Callable[[str], str], tmp_path: Path
) -> None:
    """Without the CA that signed it, memory answers, and no command is sent to a stranger."""
    trusted = redis_urls("tls")
    place = RedisPlace.at(trusted.partition("?")[0])
    assert place.server.reachable() is False
    assert isinstance(place.limiter().hit("a", limit=3, window=60), LimitState)
    elsewhere = RedisPlace.at(trusted.replace("127.0.0.1:", "localhost:"))
    assert elsewhere.server.reachable() is False


def test_a_wrong_password_is_no_failed_request(redis_urls: Callable[[str], str]) -> None:
    """Memory answers."""
    url = redis_urls("password and database")
    place = RedisPlace.at(url.replace("default:", "default:x"))
    assert hits(place, 4) == [True, True, True, False]
    assert place.server.reachable() is False


def test_a_name_that_is_not_resolved_costs_the_deadline() -> None:
    """redis-py would wait for the resolver without end; what comes too late is closed."""
    release = threading.Event()
    late, other = socket.socketpair()

    def opening() -> socket.socket:
        release.wait(30)
        return late

    with pytest.raises(TimeoutError):
        opened_within(0.05, opening)
    waiting = [each for each in threading.enumerate() if each.name == "redis-connect"]
    # Nor does it keep the process from ending.
    assert {each.daemon for each in waiting} == {True}
    release.set()
    other.settimeout(30)
    assert other.recv(1) == b""
    other.close()
