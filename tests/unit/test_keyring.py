"""Signing keys rotate without a break, survive an outage, and come from sealed rows only."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from core.adapters.crypto.signing_keys import new_signing_key
from core.errors import Unavailable
from core.ports.security import KeysUnread
from core.ports.storage import SigningKey
from tests.support.log_lines import told_by
from tests.support.tokens import SEALER, Issuer, KeyRows, header_of


@pytest.fixture
def service() -> Issuer:
    return Issuer()


def add_key(service: Issuer, *, active_in: float) -> SigningKey:
    active_from = service.clock.now() + timedelta(seconds=active_in)
    key = new_signing_key(clock=service.clock, sealer=SEALER, active_from=active_from)
    service.keys.rows.append(key)
    return key


def kids(service: Issuer) -> set[str]:
    return {key["kid"] for key in service.tokens.jwks()["keys"]}


# --- rotation -------------------------------------------------------------------------------------


def test_a_key_is_published_before_it_signs(service: Issuer) -> None:
    """Verifiers that fetch the keys now and then know the next one before its first token."""
    coming = add_key(service, active_in=86_400)
    assert kids(service) == {service.key.kid, coming.kid}
    assert header_of(service.issue())["kid"] == service.key.kid
    service.clock.advance(seconds=86_400)
    assert header_of(service.issue())["kid"] == coming.kid


def test_tokens_outlive_the_switch_to_the_next_key(service: Issuer) -> None:
    """Nobody is logged out by a rotation."""
    before = service.issue()
    add_key(service, active_in=1)
    service.clock.advance(seconds=61)
    service.tokens.prepare()
    assert header_of(service.issue())["kid"] != header_of(before)["kid"]
    assert service.accepts(before)


def test_a_retired_key_is_gone_everywhere(service: Issuer) -> None:
    """Its tokens are refused, also those that were verified before, and it is not published."""
    successor = add_key(service, active_in=-1)
    service.keys.rows[0] = replace(
        service.key, retired_at=service.clock.now() + timedelta(seconds=30)
    )
    old = service.forge(service.header(), service.payload())
    assert service.accepts(old)
    service.clock.advance(seconds=30)
    assert not service.accepts(old)
    assert kids(service) == {successor.kid}


def test_a_key_that_is_withdrawn_is_forgotten_within_a_minute(service: Issuer) -> None:
    """The database has it no more: no restart is needed."""
    withdrawn = add_key(service, active_in=0)
    token = Issuer(clock=service.clock, keys=KeyRows([withdrawn])).issue()
    assert service.accepts(token)
    service.keys.rows.remove(withdrawn)
    service.clock.advance(seconds=60)
    assert not service.accepts(token)


def test_ready_is_a_key_that_this_secret_opens(service: Issuer) -> None:
    """A key of another SECRET_KEY is none; the own one counts a second after it is there."""
    own = service.key
    damaged = replace(own, sealed_private=own.sealed_private[:-1] + b"x")
    stranger = Issuer(clock=service.clock, keys=KeyRows([damaged]))
    assert service.tokens.ready()
    assert not stranger.tokens.ready()
    stranger.keys.rows[:] = [own]
    stranger.clock.advance(seconds=1)
    assert stranger.tokens.ready()


# --- reading --------------------------------------------------------------------------------------


def test_keys_are_read_once_a_minute(service: Issuer) -> None:
    """Signing and verifying cost no query of their own."""
    for _ in range(20):
        service.tokens.prepare()
        service.tokens.verify(service.issue())
        service.tokens.jwks()
    assert service.keys.reads == 1
    service.clock.advance(seconds=59.9)
    service.tokens.jwks()
    assert service.keys.reads == 1
    service.clock.advance(seconds=0.1)
    service.tokens.jwks()
    assert service.keys.reads == 2


def test_signing_never_reads_once_it_is_prepared(service: Issuer) -> None:
    """A transaction that signs holds the only connection there may be."""
    service.tokens.prepare()
    service.clock.advance(seconds=3600)
    service.keys.down = True
    service.issue()
    assert service.keys.reads == 1


def test_an_unknown_key_is_looked_up_every_five_seconds_at_most(service: Issuer) -> None:
    """A key made elsewhere is found at once; made-up ones cannot make the database work."""
    service.tokens.jwks()
    other = Issuer(clock=service.clock)
    service.clock.advance(seconds=5)
    service.keys.rows.append(other.key)
    assert service.accepts(other.issue())
    assert service.keys.reads == 2
    for n in range(50):
        assert not service.accepts(service.forge(service.header(kid=f"k{n}"), service.payload()))
    assert service.keys.reads == 2


def test_the_last_keys_serve_while_the_database_is_down(
    service: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Tokens verify through an outage, and one in five seconds reads the keys again and logs it."""
    token = service.issue()
    service.keys.down = True
    service.clock.advance(seconds=61)
    for _ in range(20):
        assert service.accepts(token)
    assert service.keys.reads == 2
    assert told_by("core.adapters.crypto.keyring", caplog) == ["The signing keys could not be read"]
    service.clock.advance(seconds=5)
    service.keys.down = False
    assert service.accepts(token)
    assert service.keys.reads == 3
    assert service.issue()


def test_without_any_key_the_answer_is_unavailable(service: Issuer) -> None:
    """Not 401: nobody has to log in again because the database was down when we started."""
    token = service.issue()
    started = Issuer(clock=service.clock, keys=KeyRows(service.keys.rows, down=True))
    for _ in range(5):
        with pytest.raises(Unavailable):
            started.tokens.verify(token)
        with pytest.raises(Unavailable):
            started.tokens.prepare()
        with pytest.raises(Unavailable):
            started.tokens.jwks()
    assert started.keys.reads == 1
    started.keys.down = False
    service.clock.advance(seconds=1)
    assert started.accepts(token)


def test_an_empty_database_is_unavailable_until_there_is_a_key(service: Issuer) -> None:
    """The first key is found a second after it was made."""
    key = service.keys.rows.pop()
    with pytest.raises(Unavailable):
        service.tokens.prepare()
    with pytest.raises(Unavailable):
        service.issue()
    assert service.tokens.jwks() == {"keys": []}
    service.keys.rows.append(key)
    service.clock.advance(seconds=1)
    service.tokens.prepare()
    assert service.issue()


def test_a_clock_that_is_set_back_does_not_freeze_the_keys(service: Issuer) -> None:
    """Keys that were read in what is now the future are read again."""
    service.tokens.jwks()
    service.clock.advance(seconds=-3600)
    service.tokens.jwks()
    assert service.keys.reads == 2
    service.tokens.jwks()
    assert service.keys.reads == 2


class SlowRows(KeyRows):
    """A database that answers when it is told to."""

    def __init__(self, rows: list[SigningKey]) -> None:
        super().__init__(rows)
        self.asked = threading.Event()
        self.answer = threading.Event()

    def __call__(self) -> Sequence[SigningKey]:
        self.asked.set()
        assert self.answer.wait(30)
        return super().__call__()


def test_a_start_under_load_reads_once(service: Issuer) -> None:
    """Fifty requests at a cold start wait for one read and are all answered."""
    rows = SlowRows(service.keys.rows)
    started = Issuer(clock=service.clock, keys=rows)
    token = service.issue()
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.append(started.accepts(token))) for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    assert rows.asked.wait(30)
    rows.answer.set()
    for thread in threads:
        thread.join(30)
    assert answers == [True] * 50
    assert rows.reads == 1


def test_nobody_waits_for_a_refresh_that_another_thread_does(service: Issuer) -> None:
    """While one request waits for a slow database, the others go on with the keys at hand."""
    rows = SlowRows(service.keys.rows)
    rows.answer.set()
    slow = Issuer(clock=service.clock, keys=rows)
    token = slow.issue()
    rows.answer.clear()
    rows.asked.clear()
    service.clock.advance(seconds=60)
    reader = threading.Thread(target=lambda: slow.tokens.verify(token))
    with pytest.raises(KeysUnread):
        slow.tokens.verify(token, may_read=False)
    reader.start()
    assert rows.asked.wait(30)
    for _ in range(20):
        assert slow.accepts(token)
    assert slow.tokens.verify(token, may_read=False) == slow.tokens.verify(token)
    assert slow.accepts(slow.issue())
    assert reader.is_alive()
    rows.answer.set()
    reader.join(30)
    assert rows.reads == 2
