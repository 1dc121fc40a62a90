"""SMTP: one deadline for it all, however a relay dawdles."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.adapters.mail.smtp import Security
from core.ports.messaging import MailFailed
from tests.support.smtp_relay import Relay, converse, drip, scripted_relay
from tests.support.smtp_sending import MAIL, TIMEOUT, failure, mailer

GREETING = b"220 relay.example.com\r\n"
GIVEN_UP = f"the relay did not take it within {TIMEOUT:g} s"
BUSY = 15 * TIMEOUT
"""The most that giving up takes on a machine that is busy with other things."""
POLITE = {b"EHLO": b"250 relay.example.com\r\n", b"MAIL": b"250 OK\r\n", b"RCPT": b"250 OK\r\n"}


def silent(caller: socket.socket) -> None:
    """Takes the connection and says nothing."""
    caller.recv(1)


def dripping(caller: socket.socket) -> None:
    """Greets for far longer, a byte well within any single timeout."""
    drip(caller, GREETING[:4] + b"x" * 1000, pause=TIMEOUT / 20)


def silent_after_data(caller: socket.socket) -> None:
    """Takes the mail and never says whether it did."""
    caller.sendall(GREETING)
    converse(caller, {**POLITE, b"DATA": b"354 go on\r\n"})


def silent_in_handshake(caller: socket.socket) -> None:
    """Agrees to STARTTLS and then says nothing."""
    offer = {b"EHLO": b"250-relay.example.com\r\n250 STARTTLS\r\n", b"STARTTLS": b"220 go\r\n"}
    caller.sendall(GREETING)
    converse(caller, offer)


@pytest.mark.parametrize(
    ("part", "security"),
    [
        (silent, Security.NONE),
        (silent, Security.IMPLICIT),
        (dripping, Security.NONE),
        (silent_after_data, Security.NONE),
        (silent_in_handshake, Security.STARTTLS),
    ],
)
def test_one_deadline_bounds_it_all(
    part: Callable[[socket.socket], None], security: Security
) -> None:
    """However a relay dawdles, the worker is free again when MAIL_TIMEOUT is over."""
    with scripted_relay(part) as port:
        started = time.monotonic()
        refusal = failure(mailer(port, security=security, timeout=TIMEOUT))
        took = time.monotonic() - started
    assert not refusal.permanent
    assert str(refusal) == GIVEN_UP
    assert took < BUSY


def test_a_check_has_the_same_deadline() -> None:
    """A relay that hangs does not hang whoever asks for its health."""
    with scripted_relay(silent) as port:
        started = time.monotonic()
        with pytest.raises(MailFailed) as caught:
            mailer(port, timeout=TIMEOUT).check()
        assert time.monotonic() - started < BUSY
    assert str(caught.value) == GIVEN_UP


@dataclass
class Late:
    """What ends only after the mail was given up."""

    begun: threading.Event = field(default_factory=threading.Event)
    given_up: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        self.begun.set()
        assert self.given_up.wait(30)

    def go_on(self) -> int:
        """Returns when no attempt is left, and how many there still were; an earlier test may have
        left one, too."""
        assert self.begun.wait(30)
        attempts = [each for each in threading.enumerate() if each.name == "smtp"]
        # None keeps the process from ending.
        assert all(each.daemon for each in attempts)
        self.given_up.set()
        for attempt in attempts:
            attempt.join(30)
            assert not attempt.is_alive()
        return len(attempts)


def test_a_mail_given_up_is_not_sent_after_all() -> None:
    """A relay that has greeted at last, after the deadline, gets nothing: the worker tries anew."""
    late = Late()
    words: list[bytes] = []

    def greet(caller: socket.socket) -> None:
        late.wait()
        caller.sendall(GREETING)
        converse(caller, {**POLITE, b"DATA": b"354 go on\r\n", b".": b"250 taken\r\n"}, heard=words)

    with scripted_relay(greet) as port:
        assert str(failure(mailer(port, timeout=TIMEOUT))) == GIVEN_UP
        late.go_on()
    assert words == []


def test_a_slow_name_lookup_counts(monkeypatch: pytest.MonkeyPatch, relay: Relay) -> None:
    """A dead name server does not hold the worker, and its late answer sends no mail."""
    late = Late()
    look_up = socket.getaddrinfo

    def slow(*args: Any, **kwargs: Any) -> Any:
        late.wait()
        return look_up(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    refusal = failure(mailer(relay.port, timeout=TIMEOUT))
    assert not refusal.permanent
    assert str(refusal) == GIVEN_UP
    # Nothing else can end a lookup, so the attempt was there and is found.
    assert late.go_on() >= 1
    assert relay.deliveries == []


def test_silence_after_the_mail_was_taken_is_no_failure() -> None:
    """A relay that took the mail but not the goodbye does not get the mail twice."""

    def taker(caller: socket.socket) -> None:
        replies = {**POLITE, b"DATA": b"354 go on\r\n", b".": b"250 taken\r\n"}
        caller.sendall(GREETING)
        converse(caller, replies)

    with scripted_relay(taker) as port:
        started = time.monotonic()
        mailer(port, timeout=20).send(MAIL)
        assert time.monotonic() - started < 20
