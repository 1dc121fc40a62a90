"""The Lambda Runtime API over loopback, and the real `awslambdaric` that asks it for work.

AWS Lambda developer guide, "Using the Lambda runtime API" (2018-06-01).
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest

from tests.support.log_review import review

ROOT = Path(__file__).parents[2]
HANDLER = "handler.aws_lambda.lambda_handler"
INIT_SECONDS = 90.0
INVOKE_SECONDS = 60.0
STOP_SECONDS = 30.0
TICK = 0.05


class InitFailed(AssertionError):
    """The function's module could not be imported, or its process ended before it was ready."""


class InvocationFailed(AssertionError):
    """The function raised, ended or took too long; `report` is what the runtime said of it."""

    def __init__(self, text: str, report: Mapping[str, Any] | None = None) -> None:
        super().__init__(text)
        self.report = dict(report or {})


@dataclass
class _Exchange:
    """What the HTTP threads and the test pass each other."""

    events: queue.Queue[tuple[str, float, bytes]] = field(default_factory=queue.Queue)
    results: queue.Queue[tuple[str, str, Any]] = field(default_factory=queue.Queue)
    ready: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)


class _Routes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without these two every warm call waits 44 ms for a delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    exchange: _Exchange

    def do_GET(self) -> None:
        assert self.path == "/2018-06-01/runtime/invocation/next", self.path
        self.exchange.ready.set()
        while not self.exchange.stopping.is_set():
            try:
                name, deadline, body = self.exchange.events.get(timeout=TICK)
            except queue.Empty:
                continue
            headers = {
                "Lambda-Runtime-Aws-Request-Id": name,
                "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": (
                    "arn:aws:lambda:us-east-1:123456789012:function:user-api"
                ),
                "Lambda-Runtime-Trace-Id": "Root=1-5bdb40ca-556d8b0c50dc66f0511bf520",
            }
            self._answer(200, body, headers)
            return
        self._answer(500, b"{}", {"Connection": "close"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"null")
        *_, name, kind = self.path.split("/")
        self.exchange.results.put((name, kind, body))
        self._answer(202, b'{"status":"OK"}', {})

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base's name
        """Silent: the function's own log is what matters."""


class RuntimeApi:
    """One execution environment: one process, one invocation at a time; its output is in `log`.

    `path` is where `python` finds the handler, and runs, and then the runtime client.
    """

    def __init__(
        self,
        handler: str,
        environment: Mapping[str, str],
        log: Path,
        *,
        python: Sequence[str] = (sys.executable,),
        path: Sequence[Path] = (ROOT,),
    ) -> None:
        self.log = log
        self._lock = threading.Lock()
        self._exchange = _Exchange()
        routes = type("_BoundRoutes", (_Routes,), {"exchange": self._exchange})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), routes)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": TICK}, daemon=True
        )
        self._thread.start()
        environ = {
            **os.environ,
            **environment,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": "user-api",
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_REGION": "us-east-1",
            "_HANDLER": handler,
            "PYTHONPATH": os.pathsep.join(map(str, path)),
        }
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*python, "-m", "awslambdaric", handler],
                cwd=path[0],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def __enter__(self) -> Self:
        """Waits until the function is ready. Raises InitFailed."""
        ends = time.monotonic() + INIT_SECONDS
        try:
            while not self._exchange.ready.wait(TICK):
                if self.process.poll() is not None:
                    raise InitFailed(self._told("the function did not start", self._report()))
                if time.monotonic() > ends:
                    raise InitFailed(self._told(f"the function took over {INIT_SECONDS:g} s"))
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def invoke(self, event: object, *, seconds: float = INVOKE_SECONDS) -> Any:
        """What the function returned for `event`; both go through JSON. Raises InvocationFailed.

        Like Lambda it ends a process that is still busy after `seconds`.
        """
        with self._lock:
            name = str(uuid.uuid4())
            body = json.dumps(event).encode()
            self._exchange.events.put((name, time.time() + seconds, body))
            ends = time.monotonic() + seconds
            while True:
                try:
                    answered, kind, result = self._exchange.results.get(timeout=TICK)
                except queue.Empty:
                    self._check(ends, seconds)
                    continue
                assert answered == name, "the runtime answered another invocation"
                if kind == "error":
                    text = f"{result.get('errorType')}: {result.get('errorMessage')}"
                    raise InvocationFailed(self._told(text), result)
                return result

    def stop(self) -> None:
        """Ends the process: by a refused `next`, so that it may leave in order, else by force."""
        self._exchange.stopping.set()
        try:
            self.process.wait(STOP_SECONDS if self._exchange.ready.is_set() else TICK)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
        self._server.shutdown()
        self._thread.join(STOP_SECONDS)
        self._server.server_close()

    def _check(self, ends: float, seconds: float) -> None:
        if self.process.poll() is not None and self._exchange.results.empty():
            raise InvocationFailed(self._told("the function's process ended"))
        if time.monotonic() > ends:
            self.process.kill()
            raise InvocationFailed(self._told(f"no answer within {seconds:g} s"))

    def _report(self) -> str:
        try:
            _, _, report = self._exchange.results.get_nowait()
        except queue.Empty:
            return f"exit code {self.process.returncode}"
        return f"{report.get('errorType')}: {report.get('errorMessage')}"

    def _told(self, *parts: str) -> str:
        written = self.log.read_text(errors="replace")[-4000:]
        return "\n".join([": ".join(parts), "", written])


@pytest.fixture(scope="session")
def lambda_runtime(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RuntimeApi]:
    """The real runtime with the real handler, on the database of the other targets."""
    log = tmp_path_factory.mktemp("lambda") / "function.log"
    with RuntimeApi(HANDLER, environment, log) as runtime:
        yield runtime
        # Without what the runtime says of its end, which is no line of ours.
        review(Path(shutil.copy(log, log.with_suffix(".reviewed"))))
