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
        digest = self.pseudonyms.of("redis", kind, key)
        return f"user-api:{kind}:{{{base64.urlsafe_b64encode(digest).decode().rstrip('=')}}}"
