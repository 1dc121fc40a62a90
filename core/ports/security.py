"""Hashing, tokens and sealing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar
from uuid import UUID

from core.domain.codes import CodePurpose

T = TypeVar("T")


class KeysUnread(Exception):
    """A token cannot be judged before keys are read from the database."""


@dataclass(frozen=True)
class PasswordCheck:
    """`rehash` is True when a hash of today's parameters would be stronger."""

    matches: bool
    rehash: bool


@dataclass(frozen=True, eq=False)
class HashJob(Generic[T]):
    """A hash that is to be computed in its turn; `work` takes milliseconds of a core.

    `known` is for an account whose owner has logged in from the caller's address before: it comes
    before all others.
    """

    work: Callable[[], T]
    known: bool = False


class PasswordHasher(Protocol):
    """Makes jobs, and computes few of them at once."""

    @property
    def patience(self) -> float:
        """Seconds that a job may wait for its turn."""
        ...

    def hash(self, password: str, *, salt: bytes | None = None) -> HashJob[str]:
        """For a PHC string of a normalised password. With the same 16 bytes of salt it is the
        same string each time; without, the salt is random."""
        ...

    def verify(self, password_hash: str | None, password: str) -> HashJob[PasswordCheck]:
        """With no hash, a dummy is verified, so that unknown accounts cost the same."""
        ...

    def submit(self, job: HashJob[T], *, caller: str) -> Future[T]:
        """Queues a job. Known ones come first, and of equals those of callers who had least.

        The future raises Overloaded when the queue is full of jobs of callers who had less. Whoever
        waits for longer than `patience` cancels it, which works until it has begun.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class AccessClaims:
    """Claims of an access token (RFC 9068 section 2.2); times are aware UTC with whole seconds."""

    subject: UUID
    session_id: UUID
    client_id: str
    token_id: UUID
    issued_at: datetime
    expires_at: datetime
    authenticated_at: datetime
    scope: str
    acr: str
    amr: tuple[str, ...]
    epoch: int


class AccessTokens(Protocol):
    def prepare(self) -> None:
        """Reads the keys if it is time to; called before a transaction, whose connection may be
        the only one. Raises Unavailable when there is no key."""
        ...

    def ready(self) -> bool:
        """Whether there is a key to sign with that this service's secret opens; reads as `prepare`
        does, once a minute, or once a second without a key."""
        ...

    def issue(self, claims: AccessClaims) -> str:
        """Signs with the active key."""
        ...

    def verify(self, token: str, *, may_read: bool = True) -> AccessClaims:
        """The claims of a token (RFC 8725, RFC 9068 section 4).

        Raises:
            Unauthenticated: whatever is wrong.
            KeysUnread: without `may_read`, where keys have to be read first.
        """
        ...

    def jwks(self) -> Mapping[str, Sequence[Mapping[str, str]]]:
        """The public keys (RFC 7517 section 5): published, active and not yet retired ones."""
        ...


class RefreshTokens(Protocol):
    """Derived from family and generation by a keyed hash: nothing to store, nothing to steal from a
    table."""

    def encode(self, session_id: UUID, generation: int) -> str: ...

    def decode(self, token: str) -> tuple[UUID, int]:
        """Raises InvalidRefreshToken."""
        ...


class CodeSecrets(Protocol):
    """One-time codes are derived from their ids, so that no row of the outbox holds a secret."""

    def derive(self, code_id: UUID, purpose: CodePurpose) -> str:
        """The code as it stands in a link: URL-safe, 256 bits."""
        ...

    def digest(self, code: str) -> bytes:
        """What the database keeps."""
        ...


class Sealer(Protocol):
    """Authenticated encryption for what is stored (AES-256-GCM); `context` is bound, not stored."""

    def seal(self, plain: bytes, *, context: str) -> bytes: ...

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Raises ValueError when it was changed or sealed for another context."""
        ...


class Pseudonyms(Protocol):
    def of(self, *parts: str) -> bytes:
        """A keyed, length-prefixed digest: equal parts give equal bytes, and nobody reads them
        back."""
        ...
