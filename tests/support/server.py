"""The real server as a process of its own."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.support.clients import ServerClient
from tests.support.log_review import review

START_SECONDS = 90.0
STOP_SECONDS = 60.0
# Linux gives clients ports from 32768 on.
_NO_CLIENTS = range(10_000, 30_000)


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """All of them different; none that a client may get before the server listens on it."""
    found: list[int] = []
    with ExitStack() as stack:
        for port in random.SystemRandom().sample(_NO_CLIENTS, 1000):
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
            if len(found) == count:
                return found
    raise AssertionError(f"no {count} free ports")


class ServerProcess:
    """`user-api serve`, or another module, on free ports; its output goes to `log`."""

    def __init__(
        self, process: subprocess.Popen[bytes], url: str, log: Path, *, metrics_port: int
    ) -> None:
        self.process = process
        self.url = url
        self.metrics_port = metrics_port
        self.log = log
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False)

    def client(self) -> ServerClient:
        """A client from an address of its own, which shares the connections."""
        return ServerClient(self.http, page=self.metrics)

    @classmethod
    def start(
        cls, environment: dict[str, str], command: Sequence[str] = ("handler.cli", "serve")
    ) -> Self:
        port, metrics_port = free_ports(2)
        folder = Path(environment["MAIL_URL"].removeprefix("directory://")).parent
        log = folder / f"serve-{port}.log"
        review(log)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *command],
                env={
                    **os.environ,
                    **environment,
                    "PORT": str(port),
                    "METRICS_PORT": str(metrics_port),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        server = cls(process, f"http://127.0.0.1:{port}", log, metrics_port=metrics_port)
        try:
            server.wait_until_live()
        except BaseException:
            server.stop()
            raise
        return server

    def metrics(self) -> str:
        """The page, from the listener that has nothing else."""
        url = f"http://127.0.0.1:{self.metrics_port}/metrics"
        answer = httpx.get(url, timeout=30, trust_env=False)
        answer.raise_for_status()
        return answer.text

    def wait_until_live(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                self.http.get("/health/live")
                return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """As a power cut does."""
        self.http.close()
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """SIGTERM, as Kubernetes does; returns the exit code."""
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
