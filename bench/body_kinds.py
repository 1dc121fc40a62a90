"""JSON bodies that cost a reader the most, by kind, each as large as a limit of bytes allows."""

from __future__ import annotations

import itertools
import json
import string
from collections.abc import Iterator

from handler.http.middleware.bodies import MAX_BODY_BYTES

_DIGITS = string.ascii_lowercase + string.digits


def body_limit(method: str, path: str) -> int:
    """Bytes that the route takes; `path` as OpenAPI has it."""
    del method, path
    return MAX_BODY_BYTES


def unknown_names(size: int) -> bytes:
    """An object of as many short names as fit, none of which the service knows."""
    return packed(b"{", (f'"{name}":0'.encode() for name in short_names()), b"}", size)


def short_names() -> Iterator[str]:
    """All names of two characters, then of three, and so on; none is a field of the API."""
    for length in itertools.count(2):
        for letters in itertools.product(_DIGITS, repeat=length):
            yield "".join(letters)


def packed(begin: bytes, parts: Iterator[bytes], end: bytes, size: int) -> bytes:
    """As many parts as fit between `begin` and `end`, with commas."""
    chosen, left = [], size - len(begin) - len(end)
    for part in parts:
        left -= len(part) + 1
        if left < -1:
            break
        chosen.append(part)
    return begin + b",".join(chosen) + end


def nested(depth: int, size: int) -> bytes:
    """`attributes` of lists in lists, as often as they fit."""
    one = b"[" * (depth - 2) + b"0" + b"]" * (depth - 2)
    return packed(b'{"attributes":{"a":[', itertools.repeat(one), b"]}}", size)


def full_attributes(size: int) -> dict[str, object]:
    """Of `size` bytes as the service counts them: short names, which cost the most."""
    members: dict[str, object] = {}
    left = size - len("{}")
    for name in short_names():
        left -= len(json.dumps({name: 0})) - len("{}") + (2 if members else 0)
        if left < 0:
            return members
        members[name] = 0
    raise AssertionError("names do not end")
