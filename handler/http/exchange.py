"""One HTTP exchange: what the layers around the application know of a request and its answer."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.domain.access import Principal
from core.ports.security import AccessClaims
from handler.http.shares import Share

EXCHANGE = "user_api.exchange"
"""Key of the ASGI scope."""

USER_AGENT_LENGTH = 256
MAX_BODY_BYTES = 128 * 1024
"""Of any request; routes that take less set their own."""

_ONCE = frozenset({b"authorization", b"content-type", b"host", b"idempotency-key"})
_READ = _ONCE | {
    b"content-encoding",
    b"content-length",
    b"transfer-encoding",
    b"traceparent",
    b"user-agent",
    b"x-request-id",
}
# Of two lines neither counts: some events join them.
_ONE_OR_NONE = frozenset({b"traceparent", b"x-request-id"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


@dataclass(frozen=True, slots=True)
class Trace:
    """A position in a trace (W3C Trace Context, section 3.2)."""

    trace_id: str
    span_id: str
    flags: str

    @classmethod
    def continued(cls, traceparent: bytes | None) -> Trace:
        """A new span of the caller's trace; of a new one when the header is none or invalid."""
        match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
        if match is None:
            return cls(os.urandom(16).hex(), os.urandom(8).hex(), "00")
        version, trace_id, parent_id, flags, rest = match.groups()
        invalid = version == b"ff" or not trace_id.strip(b"0") or not parent_id.strip(b"0")
        if invalid or (version == b"00" and rest is not None):
            return cls(os.urandom(16).hex(), os.urandom(8).hex(), "00")
        return cls(trace_id.decode(), os.urandom(8).hex(), flags.decode())

    @property
    def traceparent(self) -> bytes:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}".encode()


@dataclass(slots=True)
class Head:
    """What one pass over the headers finds. `fault` says why the request is refused; `coded` is
    whether its body is compressed or the like."""

    fault: str | None = None
    has_host: bool = False
    coded: bool = False
    request_id: str | None = None
    traceparent: bytes | None = None
    user_agent: str | None = None
    content_length: int = 0
    has_body: bool = False

    @classmethod
    def read(cls, headers: list[tuple[bytes, bytes]]) -> Head:
        head = cls()
        seen: dict[bytes, bytes] = {}
        for name, value in headers:
            if b"_" in name:
                # Proxies and frameworks fold `_` and `-` into one name (CVE-2025-64484).
                head._blame("A header name holds an underscore.")
            elif name in _ONCE and (name in seen or _is_joined(value)):
                # Two lines may arrive joined by a comma (RFC 9110 section 5.3), as in some events.
                head._blame(f"The header {name.decode()} was sent more than once.")
            elif name in _READ:
                if name not in seen:
                    seen[name] = value
                elif name in _ONE_OR_NONE:
                    seen[name] = b""
                elif name == b"content-encoding":
                    seen[name] += b"," + value
        head._take(seen)
        return head

    def _blame(self, fault: str) -> None:
        """Of several faults always the same one: some events lose the order of headers."""
        self.fault = fault if self.fault is None else min(fault, self.fault)

    def _take(self, seen: Mapping[bytes, bytes]) -> None:
        self.has_host = bool(seen.get(b"host"))
        request_id = seen.get(b"x-request-id", b"")
        if _REQUEST_ID.fullmatch(request_id):
            self.request_id = request_id.decode()
        self.traceparent = seen.get(b"traceparent")
        agent = seen.get(b"user-agent")
        if agent:
            self.user_agent = _printable(agent.decode("latin-1"))[:USER_AGENT_LENGTH]
        length = seen.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 18:
            self.fault = "The header content-length is no number of bytes."
        else:
            self.content_length = int(length)
        self.has_body = self.content_length > 0 or b"transfer-encoding" in seen
        codings = {part.strip().lower() for part in seen.get(b"content-encoding", b"").split(b",")}
        self.coded = self.has_body and not codings <= {b"", b"identity"}


def _is_joined(value: bytes) -> bool:
    return b"," in value and sum(1 for part in value.split(b",") if part.strip()) > 1


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(ch for ch in text if ch.isprintable())


@dataclass(slots=True)
class Exchange:
    """`request_id` is of our own making: it goes where nothing can be erased. `log` is what every
    log line of the request carries; a thread can add to it.

    `headers` are added to the answer, whoever writes it. `body_pending` holds until the last byte
    of the request's body was received, `body_awaited` while the application waits for some of it;
    more than `body_limit` bytes are refused. `claims` are those of a genuine token, `principal` is
    who was found for them. `share` is where it has its place while it is at work,
    `attended` the caller whose place it is, once one was asked for.
    """

    head: Head
    request_id: str
    trace: Trace
    log: dict[str, str]
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body_pending: bool = False
    body_awaited: bool = False
    body_limit: int = MAX_BODY_BYTES
    claims: AccessClaims | None = None
    principal: Principal | None = None
    share: Share | None = None
    attended: str | None = None

    @property
    def answered_id(self) -> str:
        """What the answer names the request by: the client's own id, where it sent one."""
        return self.head.request_id or self.request_id


def exchange_of(scope: Mapping[str, Any]) -> Exchange:
    """The exchange of an http scope, behind the layer that began it."""
    exchange: Exchange = scope[EXCHANGE]
    return exchange
