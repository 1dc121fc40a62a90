"""A small HTTP server beside a process's work, on a port of its own: metrics, a worker's probes.

Its threads are its own: it answers while the event loop and every thread of the API are busy.
"""

from __future__ import annotations

import contextlib
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate
from http import HTTPStatus
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import NamedTuple

from core.ports.runtime import Metrics
from handler.http.bare_problem import Headers, bare_problem

DEADLINE_SECONDS = 5.0
"""For a connection, from its first byte to its last."""
MOST_CONNECTIONS = 16
"""One more ends the oldest, so that a scraper gets in past connections that say nothing."""

_MOST_THREADS = 2 * MOST_CONNECTIONS  # those that wait for the database cannot be ended
_MOST_BYTES = 16 * 1024
_LOOK_SECONDS = 0.25
# RFC 9112 section 3, with the two forms of a target that name a path.
_REQUEST = re.compile(
    rb"(?P<method>[!#$%&'*+.^_`|~0-9A-Za-z-]+) (?:https?://[^/?#\s]+)?(?P<path>/[^?#\s]*)(?:\?\S*)?"
    rb" HTTP/1\.[01]\r\n"
)

logger = logging.getLogger(__name__)


class Page(NamedTuple):
    """What a path answers: status, content type and body."""

    status: int
    content_type: str
    body: bytes


Pages = Mapping[str, Callable[[], Page]]


def metrics_pages(metrics: Metrics) -> Pages:
    """`/metrics`, for Prometheus."""
    return {"/metrics": lambda: Page(200, *metrics.exposition())}


@contextlib.contextmanager
def side_server(listener: socket.socket | None, pages: Pages) -> Iterator[None]:
    """Serves GET and HEAD of `pages`, by path, on a listening socket, until it is left.

    Without a socket nothing is served.
    """
    if listener is None:
        yield
        return
    server = _Server(listener, pages)
    thread = threading.Thread(
        target=server.serve_forever, args=[_LOOK_SECONDS], name="side-server", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingTCPServer):
    """A thread a connection; none of them keeps the process from ending."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, pages: Pages) -> None:
        super().__init__(listener.getsockname(), _Connection, bind_and_activate=False)
        self.socket.close()  # made by the base class, whatever the family of the address
        self.socket = listener
        self.pages = pages
        self._lock = threading.Lock()
        self._at_work = 0
        self._since: dict[socket.socket, float] = {}  # the oldest first

    @contextlib.contextmanager
    def watching(self, connection: socket.socket) -> Iterator[None]:
        """Ends the connection at its deadline, or when it is the oldest of too many."""
        with self._lock:
            if len(self._since) >= MOST_CONNECTIONS:
                self._end(next(iter(self._since)))
            self._since[connection] = time.monotonic()
            self._at_work += 1
        try:
            yield
        finally:
            with self._lock:
                self._since.pop(connection, None)
                self._at_work -= 1

    def verify_request(self, request: object, client_address: object) -> bool:  # noqa: ARG002
        with self._lock:
            return self._at_work < _MOST_THREADS

    def service_actions(self) -> None:
        """Runs between connections, and each time when `serve_forever` has waited."""
        latest = time.monotonic() - DEADLINE_SECONDS
        with self._lock:
            for connection in [each for each, since in self._since.items() if since < latest]:
                self._end(connection)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        logger.error("a connection of the side server failed", exc_info=sys.exception())

    def _end(self, connection: socket.socket) -> None:
        """Wakes the thread that waits for its client; closing is left to that thread."""
        del self._since[connection]
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


class _Connection(BaseRequestHandler):
    """One request and its answer."""

    server: _Server
    request: socket.socket

    def handle(self) -> None:
        # A client that is gone, or out of time, is not answered.
        with self.server.watching(self.request), contextlib.suppress(OSError):
            self.request.settimeout(DEADLINE_SECONDS)
            if head := self._head():
                self.request.sendall(self._answer_to(head))

    def _head(self) -> bytes:
        """Up to the empty line, and a little of what follows; empty when the client left before."""
        head = b""
        while b"\r\n\r\n" not in head and len(head) <= _MOST_BYTES:
            part = self.request.recv(4096)
            if not part:
                return b""
            head += part
        return head

    def _answer_to(self, head: bytes) -> bytes:
        if len(head) > _MOST_BYTES:
            return _written(*_problem(431, "The headers are too large."))
        found = _REQUEST.match(head)
        if found is None:
            return _written(*_problem(400, "This is no request of HTTP/1.1."))
        method, path = found["method"].decode(), found["path"].decode("latin-1")
        return _written(*self._answer(method, path), without_body=method == "HEAD")

    def _answer(self, method: str, path: str) -> tuple[int, Headers, bytes]:
        page = self.server.pages.get(path)
        if page is None:
            return _problem(404, f"Here are only {', '.join(self.server.pages)}.")
        if method not in {"GET", "HEAD"}:
            return _problem(405, "Only GET and HEAD are answered here.", (b"allow", b"GET, HEAD"))
        try:
            status, kind, body = page()
        except Exception:
            logger.exception("a page of the side server failed")
            return _problem(500, "The log says why.")
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        return status, headers, body


def _problem(status: int, detail: str, *more: tuple[bytes, bytes]) -> tuple[int, Headers, bytes]:
    headers, body = bare_problem(status, detail)
    return status, [*headers, *more], body


def _written(status: int, headers: Headers, body: bytes, *, without_body: bool = False) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    lines += [name + b": " + value for name, value in headers]
    lines += [b"date: " + formatdate(usegmt=True).encode(), b"connection: close", b"", b""]
    return b"\r\n".join(lines) + (b"" if without_body else body)
