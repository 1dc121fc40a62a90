"""Password hashes: of the right kind, equally slow for everybody, and never too many at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from typing import Any

import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from core.adapters.crypto.passwords import Argon2Hasher
from core.adapters.telemetry.metrics import PrometheusMetrics
from core.config import Settings
from core.errors import Overloaded
from core.ports.security import HashJob
from tests.support.hashers import Waiting, comes_to, told

PASSWORD = "correct horse battery staple"
PATIENCE = 30.0
"""Longer than a busy machine lets anything here wait."""


def hasher(
    *,
    memory_kib: int = 64,
    iterations: int = 1,
    concurrency: int = 2,
    queue_timeout: float = PATIENCE,
    metrics: PrometheusMetrics | None = None,
) -> Waiting:
    return Waiting(
        Argon2Hasher(
            memory_kib=memory_kib,
            iterations=iterations,
            concurrency=concurrency,
            queue_timeout=queue_timeout,
            metrics=metrics or PrometheusMetrics(version="1.2.3"),
        )
    )


def work(low: Waiting, stored: str | None) -> float:
    """Seconds of this process's processor time; of several the least is disturbed least."""
    began = time.process_time()
    low.verify(stored, PASSWORD)
    return time.process_time() - began


def test_the_default_cost_is_owasps() -> None:
    """Argon2id with 19 MiB and two passes (OWASP Password Storage Cheat Sheet)."""
    defaults: dict[str, Any] = {item.name: item.default for item in fields(Settings)}
    real = hasher(
        memory_kib=defaults["argon2_memory_kib"], iterations=defaults["argon2_iterations"]
    )
    parameters = extract_parameters(real.hash(PASSWORD))
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19456, 2, 1)
    assert (parameters.version, parameters.salt_len, parameters.hash_len) == (19, 16, 32)


def test_the_right_password_matches_and_no_other() -> None:
    """Case, blanks at the ends and length count."""
    low = hasher()
    stored = low.hash(PASSWORD)
    assert low.verify(stored, PASSWORD).matches
    for wrong in ("", PASSWORD.upper(), PASSWORD + " ", PASSWORD[:-1], PASSWORD + "\0"):
        assert not low.verify(stored, wrong).matches


def test_each_hash_has_its_salt() -> None:
    """Two people with one password have two hashes."""
    low = hasher()
    assert low.hash(PASSWORD) != low.hash(PASSWORD)


def test_long_and_odd_passwords_count_to_their_last_character() -> None:
    """Nothing is cut at 72 bytes or at a NUL, as bcrypt would."""
    low = hasher()
    long = "é🔑\0" * 40
    stored = low.hash(long + "a")
    assert low.verify(stored, long + "a").matches
    assert not low.verify(stored, long + "b").matches


def test_no_hash_matches_nothing() -> None:
    """Whoever has no account, or no password yet, cannot log in with any."""
    low = hasher()
    for password in ("", PASSWORD, "\ud800"):
        assert not low.verify(None, password).matches
        assert not low.verify("", password).matches


@pytest.mark.parametrize(
    "stored",
    [
        "x",
        "$",
        "!",
        "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
        "$argon2id$v=19$m=64,t=1,p=1",
        "$argon2id$v=19$m=64,t=1,p=1$$",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$!!!!",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA\0$x",
        "$argon2id$v=19$m=64,t=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        "$argon2id$v=19$m=-1,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g",
        "$argon2id$v=19$m=1048577,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2g",
        "$argon2id$v=19$m=64,t=99999,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2g",
        "$argon2id$v=19$m=64,t=1,p=9999999$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2g",
        "$argon2id$v=19$m=64,t=1,p=1$é$é",
    ],
)
def test_a_damaged_hash_is_a_mismatch(stored: str) -> None:
    """The owner is refused like with a wrong password: no crash, no hang, no memory of the pod."""
    low = hasher()
    check = low.verify(stored, PASSWORD)
    assert not check.matches
    assert not check.rehash
    assert work(low, stored) < 0.1


def test_a_hash_beyond_the_settings_is_not_computed() -> None:
    """Even when it fits: 20 passes are the most that can be configured."""
    low = hasher()
    fits, beyond = (PasswordHasher(passes, 8, 1).hash(PASSWORD) for passes in (20, 21))
    assert low.verify(fits, PASSWORD).matches
    assert not low.verify(beyond, PASSWORD).matches


def test_every_refusal_costs_the_same() -> None:
    """No account, a wrong password and a damaged hash: what differs is below a third of a hash."""
    low = hasher(memory_kib=8192, iterations=2)
    kinds = [None, low.hash("another password of mine"), "damaged", "$argon2id$v=19$m=8$t$h"]
    low.verify(None, PASSWORD)
    samples = [[work(low, stored) for stored in kinds] for _ in range(15)]
    least = [min(column) for column in zip(*samples, strict=True)]
    assert max(least) < 1.5 * min(least)


def test_the_first_unknown_user_pays_no_more() -> None:
    """The dummy stands ready: the first login after a start does not tell by its time."""
    hasher(memory_kib=16384, iterations=4).hash(PASSWORD)
    firsts, laters = [], []
    for _ in range(7):
        low = hasher(memory_kib=16384, iterations=4)
        firsts.append(work(low, None))
        laters.append(work(low, None))
    assert min(firsts) < 1.5 * min(laters)


def test_a_hash_with_other_parameters_asks_to_be_renewed() -> None:
    """After a change of the cost, and only for those who prove that they know the password."""
    low, high = hasher(), hasher(iterations=2)
    stored = low.hash(PASSWORD)
    assert not low.verify(stored, PASSWORD).rehash
    assert high.verify(stored, PASSWORD).rehash
    assert not high.verify(stored, "wrong").rehash
    assert not high.verify(None, PASSWORD).rehash
    other_kind = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, type=Type.I)
    assert low.verify(other_kind.hash(PASSWORD), PASSWORD).rehash


@pytest.mark.parametrize(
    ("before", "now", "renewed"),
    [
        ((64, 2), (64, 1), False),
        ((128, 1), (64, 1), False),
        ((128, 1), (64, 2), False),
        ((64, 2), (128, 1), True),
        ((64, 2), (64, 3), True),
        ((128, 2), (64, 5), True),
        ((64, 5), (128, 2), False),
    ],
)
def test_no_hash_is_replaced_by_a_weaker_one(
    before: tuple[int, int], now: tuple[int, int], renewed: bool
) -> None:
    """By memory times passes, and of equals by memory, which attackers pay most for."""
    older, newer = (
        hasher(memory_kib=memory, iterations=passes) for memory, passes in (before, now)
    )
    assert newer.verify(older.hash(PASSWORD), PASSWORD).rehash is renewed


class Slot:
    """Keeps a hasher busy until it is told to stop."""

    def __init__(self, busy: Waiting) -> None:
        self._stop = threading.Event()
        self._started = threading.Event()
        self._work = busy.hasher.submit(HashJob(self._hold), caller="a slot")
        assert self._started.wait(PATIENCE)

    def _hold(self) -> bool:
        self._started.set()
        return self._stop.wait(4 * PATIENCE)

    def stop(self) -> None:
        self._stop.set()
        assert self._work.result(PATIENCE)


def test_hashes_beyond_the_bound_are_turned_away_in_time() -> None:
    """A flood of logins is answered by 503 with Retry-After, and memory stays bounded."""
    metrics = PrometheusMetrics(version="1.2.3")
    busy = hasher(concurrency=2, queue_timeout=0.2, metrics=metrics)
    slots = [Slot(busy), Slot(busy)]
    began = time.monotonic()
    with pytest.raises(Overloaded) as refusal:
        busy.verify(None, PASSWORD)
    with pytest.raises(Overloaded):
        busy.hash(PASSWORD)
    # Each waits its time out, and the slots are held for much longer.
    assert 0.4 <= time.monotonic() - began < PATIENCE
    assert refusal.value.retry_after == 1
    for slot in slots:
        slot.stop()
    # And then it computes again, though how soon is up to the machine.
    assert busy.hasher.submit(busy.hasher.hash(PASSWORD), caller="a").result(PATIENCE)
    comes_to(metrics, len(slots) + 1)


def test_a_turn_that_comes_free_is_taken() -> None:
    """Who waits less than the queue's deadline is served."""
    metrics = PrometheusMetrics(version="1.2.3")
    busy = hasher(concurrency=1, metrics=metrics)
    slot = Slot(busy)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: busy.hash(PASSWORD))
        while told(metrics) != (0, 2):
            assert not waiting.done()
            time.sleep(0.01)
        slot.stop()
        assert busy.verify(waiting.result(PATIENCE), PASSWORD).matches


def test_every_hash_is_counted_and_no_other() -> None:
    """New ones, right and wrong guesses, guesses at nobody and at a damaged hash: one each."""
    metrics = PrometheusMetrics(version="1.2.3")
    counted = hasher(metrics=metrics)
    stored = counted.hash(PASSWORD)
    for target in (stored, None, "damaged"):
        counted.verify(target, PASSWORD)
    counted.verify(stored, "wrong")
    comes_to(metrics, 5)


def test_those_that_wait_are_seen_and_those_turned_away_are_not_counted() -> None:
    """An attack shows as a queue; what was refused has cost no processor."""
    metrics = PrometheusMetrics(version="1.2.3")
    busy = hasher(concurrency=1, queue_timeout=0.1, metrics=metrics)
    slot = Slot(busy)
    assert told(metrics) == (0, 1)
    with pytest.raises(Overloaded):
        busy.hash(PASSWORD)
    assert told(metrics) == (0, 1)
    slot.stop()
    comes_to(metrics, 1)


def test_failures_give_their_turn_back() -> None:
    """A thousand damaged hashes do not use up the places."""
    busy = hasher(concurrency=1)
    for _ in range(20):
        busy.verify("damaged", PASSWORD)
    assert busy.hash(PASSWORD)
