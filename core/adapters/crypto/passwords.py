"""Password hashes: Argon2id."""

from __future__ import annotations

import base64
import os
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from argon2.low_level import ARGON2_VERSION

from core.adapters.crypto.hash_queue import HashQueue
from core.ports.runtime import Metrics
from core.ports.security import HashJob, PasswordCheck

T = TypeVar("T")

_PARALLELISM = 1
_SALT_BYTES = 16
_HASH_BYTES = 32
# The highest that the settings allow: a damaged row must not take the memory of the whole pod.
_MAX_MEMORY_KIB = 1_048_576
_MAX_ITERATIONS = 20


class Argon2Hasher:
    """Implements PasswordHasher by Argon2id (RFC 9106; OWASP: 19 MiB, t=2, p=1).

    Args:
        memory_kib: memory of one hash in KiB.
        iterations: passes over it.
        concurrency: hashes at once, as each of them holds its memory and a core.
        queue_timeout: seconds that one may wait for its turn.
        metrics: is told of every one that is computed or waits.
    """

    def __init__(
        self,
        *,
        memory_kib: int,
        iterations: int,
        concurrency: int,
        queue_timeout: float,
        metrics: Metrics,
    ) -> None:
        self._argon2 = PasswordHasher(
            time_cost=iterations,
            memory_cost=memory_kib,
            parallelism=_PARALLELISM,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
        )
        self._dummy = _unmatchable_hash(memory_kib=memory_kib, iterations=iterations)
        self._queue = HashQueue(concurrency=concurrency, metrics=metrics)
        self.patience = queue_timeout

    def hash(self, password: str, *, salt: bytes | None = None) -> HashJob[str]:
        return HashJob(lambda: self._argon2.hash(_encode(password), salt=salt))

    def verify(self, password_hash: str | None, password: str) -> HashJob[PasswordCheck]:
        stored = password_hash or self._dummy

        def check() -> PasswordCheck:
            matches = self._matches(stored, _encode(password))
            rehash = matches and self._is_stronger_than(stored)
            return PasswordCheck(matches=matches, rehash=rehash)

        return HashJob(check)

    def submit(self, job: HashJob[T], *, caller: str) -> Future[T]:
        return self._queue.submit(job, caller=caller)

    def _is_stronger_than(self, stored: str) -> bool:
        """Whether a new hash would be better. Settings that were lowered weaken no stored hash."""
        theirs = extract_parameters(stored)
        if theirs.type is not Type.ID or theirs.version < ARGON2_VERSION:
            return True
        costs = (self._argon2.memory_cost * self._argon2.time_cost, self._argon2.memory_cost)
        return costs > (theirs.memory_cost * theirs.time_cost, theirs.memory_cost)

    def _matches(self, stored: str, secret: bytes) -> bool:
        try:
            _check_cost(stored)
            return self._argon2.verify(stored, secret)
        except VerifyMismatchError:
            return False
        except (InvalidHashError, VerificationError, UnicodeEncodeError):
            # What cannot be parsed costs nothing, and the time would tell this account from others.
            with suppress(VerifyMismatchError):
                self._argon2.verify(self._dummy, secret)
            return False


def _encode(password: str) -> bytes:
    """A lone surrogate, which JSON can carry, is hashed like any other text and matches nothing."""
    return password.encode("utf-8", "surrogatepass")


def _check_cost(password_hash: str) -> None:
    parameters = extract_parameters(password_hash)
    if parameters.memory_cost > _MAX_MEMORY_KIB or parameters.time_cost > _MAX_ITERATIONS:
        raise InvalidHashError


def _unmatchable_hash(*, memory_kib: int, iterations: int) -> str:
    """A PHC string with a random hash: it costs what a real one costs, and no password fits it.

    It takes no hashing to make, so that neither the start nor the first login of an unknown user
    pays for it.
    """
    salt, digest = (
        base64.b64encode(os.urandom(size)).rstrip(b"=").decode()
        for size in (_SALT_BYTES, _HASH_BYTES)
    )
    return f"$argon2id$v=19$m={memory_kib},t={iterations},p={_PARALLELISM}${salt}${digest}"
