"""Short-lived answers inside one process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

_ENTRY_BYTES = 300
"""What CPython takes for an entry besides its key and value, measured and rounded up."""


@dataclass(frozen=True, slots=True)
class _Entry:
    ends: float
    value: bytes
    size: int


class MemoryCache:
    """Implements Cache within `max_bytes`: the entries that were put first give way first.

    A value that is larger than the whole is not kept.
    """

    def __init__(
        self, *, max_bytes: int = 16 * 2**20, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> bytes | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if self._seconds() < entry.ends:
                return entry.value
            self._drop(key)
        return None

    def put(self, key: str, value: bytes, *, seconds: int) -> None:
        # Four bytes a character at most, and counting them exactly would mean encoding the key.
        size = len(value) + 4 * len(key) + _ENTRY_BYTES
        with self._lock:
            self._drop(key)
            if size > self._max_bytes:
                return
            while self._bytes + size > self._max_bytes:
                self._drop(next(iter(self._entries)))
            self._entries[key] = _Entry(ends=self._seconds() + seconds, value=value, size=size)
            self._bytes += size

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size
