"""uvicorn's HTTP/1.1 protocol, bounded.

uvicorn 0.54 waits for ever for the rest of the headers, holds headers of any size, takes trailers
for headers, and reads the body of an upgrade request as the next request.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

from uvicorn.protocols.http import httptools_impl

from handler.http.bare_problem import bare_problem

_FRAMING = {b"content-length", b"transfer-encoding"}
_TOO_LARGE = (431, "The headers are too large.")


class _Refused(Exception):
    """Stops the parser; what to answer stands in `_refusal`."""


class BoundedHttpProtocol(httptools_impl.HttpToolsProtocol):
    """For uvicorn's `http=`. Between requests uvicorn's own keep-alive timeout holds."""

    header_timeout: ClassVar[float] = 5.0
    """Seconds from the connection, or the first byte of a later request, to the last header."""
    max_header_bytes: ClassVar[int] = 32 * 1024
    """Request target and headers together; more is 431 (RFC 6585 section 5)."""
    max_headers: ClassVar[int] = 100

    _deadline: asyncio.TimerHandle | None = None
    _refusal: tuple[int, str] | None = None
    _in_headers = False
    _parsed_bytes = 0
    _unparsed_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._unparsed_bytes += len(data)
        super().data_received(data)
        if self._unparsed_bytes > self.max_header_bytes and self._refusal is None:
            # A header, a trailer or a chunk extension without end reaches no callback.
            self._refusal = _TOO_LARGE
            self.send_400_response(_TOO_LARGE[1])
        if self._deadline is None and self.timeout_keep_alive_task is None and self._idle():
            self._start_deadline()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        self._parsed_bytes = self._unparsed_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + 4)
        if not self._in_headers:
            return  # a trailer is no header (RFC 9110 section 6.5.1), least of all X-Forwarded-For
        value = value.rstrip(b" \t")
        if name.lower() == b"transfer-encoding" and value.lower() != b"chunked":
            self._refuse(501, "Only the transfer coding chunked is implemented.")
        super().on_header(name, value)
        if len(self.headers) > self.max_headers:
            self._refuse(431, "There are too many headers.")

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self._stop_deadline()
        if self.parser.get_http_version() not in {"1.0", "1.1"}:
            self._refuse(505, "Only HTTP/1.0 and HTTP/1.1 are served here.")
        if self.limit_concurrency is not None and len(self.connections) >= self.limit_concurrency:
            self._refuse(503, "There are too many connections.")  # uvicorn's own answer is text
        if b"#" in self.url:
            # It would be cut off, and what is left is another target than proxies have seen.
            self._refuse(400, "A request target has no fragment.")
        upgrade = self.parser.should_upgrade()
        if upgrade and any(name in _FRAMING for name, _ in self.headers):
            self._refuse(400, "A request with a body cannot ask for an upgrade.")
        super().on_headers_complete()
        if upgrade:
            self.cycle.keep_alive = False  # httptools drops what follows it

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_headers and self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
            self._start_deadline()

    def send_400_response(self, msg: str) -> None:
        status, detail = self._refusal = self._refusal or (400, msg)
        cycle = self.cycle
        if not self._idle() and (self.pipeline or cycle.response_started or not cycle.more_body):
            cycle.keep_alive = False  # earlier requests are answered first, and nothing after them
            return
        headers, body = bare_problem(status, detail)
        headers = [*self.server_state.default_headers, *headers, (b"connection", b"close")]
        lines = b"".join(b"%s: %s\r\n" % header for header in headers)
        self.transport.write(httptools_impl.STATUS_LINE[status] + lines + b"\r\n" + body)
        self.transport.close()

    def _count(self, size: int) -> None:
        self._parsed_bytes += size
        if self._parsed_bytes > self.max_header_bytes:
            self._refuse(*_TOO_LARGE)

    def _refuse(self, status: int, detail: str) -> None:
        self._refusal = (status, detail)
        raise _Refused

    def _idle(self) -> bool:
        cycle: httptools_impl.RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.header_timeout, self._out_of_time)

    def _out_of_time(self) -> None:
        """408 to a request that has begun (RFC 9110 section 15.5.9); else nobody waits for one."""
        if self._in_headers:
            self._refusal = (408, "The headers did not arrive in time.")
            self.send_400_response(self._refusal[1])
        else:
            self.transport.close()

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
