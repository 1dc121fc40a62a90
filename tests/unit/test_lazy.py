"""A property that is computed once, and by several threads at once for several instances."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from core.lazy import lazy


class Asked:
    """Counts how often it is computed; `meet` waits for others within it."""

    meet: threading.Barrier | None = None
    computed = 0

    @lazy
    def value(self) -> int:
        """What is computed."""
        if self.meet is not None:
            self.meet.wait(30)
        self.computed += 1
        return 42


def test_it_is_computed_when_it_is_asked_for_and_once() -> None:
    """Each instance has its own."""
    one, other = Asked(), Asked()
    assert one.computed == 0
    assert [one.value, one.value] == [42, 42]
    assert (one.computed, other.computed) == (1, 0)
    assert isinstance(Asked.value, lazy)
    assert Asked.value.__doc__ == "What is computed."


def test_ten_instances_are_computed_at_once() -> None:
    """With functools.cached_property of Python 3.11 the first would wait for the others in vain."""
    barrier = threading.Barrier(10)
    asked = [Asked() for _ in range(10)]
    for each in asked:
        each.meet = barrier
    with ThreadPoolExecutor(10) as threads:
        assert list(threads.map(lambda each: each.value, asked)) == [42] * 10
