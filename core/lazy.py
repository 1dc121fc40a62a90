"""A property that is computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class lazy(Generic[T]):  # noqa: N801  used as a decorator, like `property`
    """As `functools.cached_property`, without its lock.

    In Python 3.11 that lock is one for all instances of a class, and is held while the value is
    computed: threads with instances of their own wait for each other (python/cpython#87634; it is
    gone in 3.12). Threads that share an instance may compute the value twice here, so it has to be
    one that does no harm then.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> lazy[T] | T:
        if instance is None:
            return self
        # Found there before this descriptor, which has no `__set__`, the next time.
        value = instance.__dict__[self._name] = self._compute(instance)
        return value
