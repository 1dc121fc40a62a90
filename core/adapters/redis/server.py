"""What limits and caches need of Redis, whether it is one server or a cluster."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Protocol

from core.adapters.redis.node import Command, Reply
from core.ports.runtime import Accelerator
from core.ports.security import Pseudonyms


class Server(Accelerator, Protocol):
    def call(self, command: Command[Reply]) -> Reply:
        """Raises Unreachable."""
        ...


@dataclass(frozen=True)
class KeyNames:
    """Names of keys in Redis: pseudonyms, because some keys hold addresses of clients.

    The braces make the pseudonym what a cluster chooses the slot by.
    """

    pseudonyms: Pseudonyms

    def of(self, kind: str, key: str) -> str:
        return f"user-api:{kind}:{{{self._pseudonym(kind, key)}}}"

    def beside(self, kind: str, key: str, other: str) -> str:
        """The name of `key` in the slot of `other`, as one command for both needs it."""
        return f"{self.of(kind, other)}:{self._pseudonym(kind, key)}"

    def _pseudonym(self, kind: str, key: str) -> str:
        digest = self.pseudonyms.of("redis", kind, key)
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
