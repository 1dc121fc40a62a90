"""What the events of several AWS services have in common."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote, unquote_plus

Headers = Sequence[tuple[str, str]]
Event = dict[str, Any]

_PLAIN = ("text/", "application/json", "application/javascript", "application/xml")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class NotDelivered(Exception):
    """AWS answers this request itself, with 400: no function is asked."""


def lowered(headers: Headers) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers]


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def raw_pairs(query: str, separators: str = "&") -> list[tuple[str, str]]:
    """Names and values as sent; `a` and `a=` are one, empty pieces none."""
    pieces = re.split(f"[{separators}]", query)
    return [(name, value) for name, _, value in (each.partition("=") for each in pieces if each)]


def decoded_pairs(query: str, separators: str = "&") -> list[tuple[str, str]]:
    return [
        (unquote_plus(name), unquote_plus(value)) for name, value in raw_pairs(query, separators)
    ]


def path_of_an_http_api(path: str) -> str:
    """Decoded twice; the first round ends at a `?` that it uncovers, and a stray `%` is refused."""
    once, _, _ = _decoded(path).partition("?")
    return _decoded(once)


def _decoded(path: str) -> str:
    if _STRAY_PERCENT.search(path):
        raise NotDelivered("a stray % in the path")
    return unquote(path)


def peer_of(headers: Headers) -> str:
    """The tests' client: what stands last in X-Forwarded-For, where the services write it too."""
    return dict(lowered(headers)).get("x-forwarded-for", "192.0.2.1").rpartition(",")[2].strip()


def body_by_type(headers: Headers, body: bytes) -> Event:
    """Base64 when there is a Content-Encoding, or the type is no text."""
    given = dict(lowered(headers))
    plain = given.get("content-type", "").lower().startswith(_PLAIN)
    if not body or (plain and "content-encoding" not in given):
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return binary_body(body)


def binary_body(body: bytes) -> Event:
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
