"""Mail relays over loopback: a real one (aiosmtpd), and ones that play a fixed part badly."""

from __future__ import annotations

import asyncio
import email
import email.policy
import gc
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.loops import settled

START_SECONDS = 30.0


@dataclass(frozen=True)
class Delivery:
    """A mail as the relay took it."""

    sender: str
    recipients: list[str]
    content: bytes
    encrypted: bool
    login: tuple[str, str] | None

    @property
    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class Relay:
    """What the relay took, and what it answers to a recipient or to the data of a mail to one."""

    port: int = 0
    deliveries: list[Delivery] = field(default_factory=list)
    recipient_replies: dict[str, str] = field(default_factory=dict)
    data_replies: dict[str, str] = field(default_factory=dict)
    logins: dict[str, str] = field(default_factory=dict)

    async def handle_RCPT(  # noqa: N802  the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        reply = self.recipient_replies.get(address, "250 OK")
        if reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return reply

    async def handle_DATA(  # noqa: N802  the name that aiosmtpd calls
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        reply = self.data_replies.get(envelope.rcpt_tos[0], "250 OK")
        if reply.startswith("2"):
            assert isinstance(envelope.content, bytes)
            self.deliveries.append(
                Delivery(
                    sender=envelope.mail_from or "",
                    recipients=list(envelope.rcpt_tos),
                    content=envelope.content,
                    encrypted=session.ssl is not None,
                    login=session.auth_data,
                )
            )
        return reply

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        login = (data.login.decode(), data.password.decode())
        known = self.logins.get(login[0]) == login[1]
        return AuthResult(success=known, handled=False, auth_data=login)


@contextmanager
def failed_handshakes() -> Iterator[None]:
    """aiosmtpd leaves the transport of a handshake that failed to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()


@contextmanager
def smtp_relay(
    *,
    starttls: ssl.SSLContext | None = None,
    implicit_tls: ssl.SSLContext | None = None,
    logins: dict[str, str] | None = None,
) -> Iterator[Relay]:
    """A relay on a free port of 127.0.0.1; with `logins` it takes mails from nobody else."""
    relay = Relay(logins=logins or {})

    def session() -> SMTP:
        return SMTP(
            relay,
            hostname="relay.example.com",
            loop=loop,
            tls_context=starttls,
            require_starttls=starttls is not None,
            authenticator=relay.authenticate,
            auth_required=bool(logins),
            auth_require_tls=starttls is not None,
        )

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    starting = loop.create_server(session, "127.0.0.1", 0, ssl=implicit_tls)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(START_SECONDS)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(START_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(START_SECONDS)
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    # A client that waits gets its transport some rounds of the loop later. If the server is closed
    # before (gh-109564), nothing closes that one.
    await settled()
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    # A session knows its transport only once its handshake is over, and the loop from the first.
    loop: Any = asyncio.get_running_loop()
    for transport in list(loop._transports.values()):
        transport.abort()
    # Each closes its socket some rounds later.
    await settled()


@contextmanager
def scripted_relay(part: Callable[[socket.socket], None]) -> Iterator[int]:
    """A listener on a free port that plays `part` with each caller; the value is the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    callers: list[socket.socket] = []

    def play(caller: socket.socket) -> None:
        with suppress(OSError):
            part(caller)

    def accept() -> None:
        with suppress(OSError):
            while True:
                caller, _ = listener.accept()
                callers.append(caller)
                threading.Thread(target=play, args=(caller,), daemon=True).start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        _hang_up(listener)
        # Who called last may not be among the callers yet.
        accepting.join(START_SECONDS)
        for caller in callers:
            _hang_up(caller)


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()


def converse(
    caller: socket.socket, replies: dict[bytes, bytes], *, heard: list[bytes] | None = None
) -> None:
    """Answers each command by its first word, which goes to `heard`; one without a reply stays
    unanswered."""
    with caller.makefile("rb") as lines:
        for line in lines:
            word = line.upper().split()[0] if line.strip() else b""
            if heard is not None:
                heard.append(word)
            if word in replies:
                caller.sendall(replies[word])


def drip(caller: socket.socket, text: bytes, *, pause: float) -> None:
    """Sends a byte at a time, so that no single wait is long."""
    for byte in text:
        caller.sendall(bytes([byte]))
        time.sleep(pause)
