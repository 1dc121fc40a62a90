"""How many may be at work for one account at once, in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Turns:
    """Counts who is at work by key. Nobody waits: whoever finds no turn is refused."""

    def __init__(self, *, at_once: int) -> None:
        self.at_once = at_once
        self._lock = threading.Lock()
        self._taken: dict[bytes, int] = {}

    @contextmanager
    def taking(self) -> Iterator[Callable[[bytes], bool]]:
        """A function that takes a turn of a key, or returns False when there is none; what it took
        is given back at the end of the block."""
        held: list[bytes] = []

        def take(key: bytes) -> bool:
            with self._lock:
                if self._taken.get(key, 0) >= self.at_once:
                    return False
                self._taken[key] = self._taken.get(key, 0) + 1
            held.append(key)
            return True

        try:
            yield take
        finally:
            with self._lock:
                for key in held:
                    self._taken[key] -= 1
                    if not self._taken[key]:
                        del self._taken[key]
