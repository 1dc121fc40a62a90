"""What all forms of events share: the fields that a reader gives, and how it takes them out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

Event = Mapping[str, Any]
TextHeaders = list[tuple[str, str]]
T = TypeVar("T")


class UnknownEvent(ValueError):
    """No HTTP request in any form that is served here."""


class MalformedEvent(ValueError):
    """The form is known but a field is not what AWS documents: the answer is 400."""


class Fields(NamedTuple):
    """What a reader takes from its form, nothing checked but types.

    `path` and `query` are percent-encoded. `peer` is an address; `trusted_hops` is None where the
    setting TRUSTED_PROXY_HOPS holds.
    """

    method: str
    path: str
    query: str
    headers: Iterable[tuple[str, str]]
    peer: str
    trusted_hops: int | None


@dataclass(frozen=True, kw_only=True)
class EventForm:
    """`read` takes an event apart; `write` gives what the form wants beside status and body.

    `may_lack_host` is where events come without Host that no client has sent.
    """

    name: str
    may_lack_host: bool = False
    recognises: Callable[[Event, Event], bool]
    read: Callable[[Event, Event], Fields]
    write: Callable[[int, TextHeaders], dict[str, Any]]


def field(container: Event, name: str, kind: type[T], absent: T) -> T:
    """A member of its documented type; AWS writes null for some that are absent."""
    value = container.get(name)
    if value is None:
        return absent
    if not isinstance(value, kind):
        raise MalformedEvent(f"{name} is malformed")
    return value


def single(container: Event, name: str) -> Iterator[tuple[str, str]]:
    """The pairs of an object whose members are strings."""
    for key, value in field(container, name, dict, {}).items():
        if not isinstance(value, str):
            raise MalformedEvent(f"{name} is malformed")
        yield key, value


def multiple(container: Event, name: str) -> Iterator[tuple[str, str]]:
    """The pairs of an object whose members are lists of strings."""
    for key, values in field(container, name, dict, {}).items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise MalformedEvent(f"{name} is malformed")
        yield from ((key, value) for value in values)


def grouped(headers: TextHeaders) -> dict[str, list[str]]:
    """All values of each name, in their order."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found
