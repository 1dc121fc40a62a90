"""JSON bodies that cost a reader the most, by kind, each as large as a limit of bytes allows."""

from __future__ import annotations

import itertools
import json
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Any

from core.domain.profile import ATTRIBUTES_BYTES, ATTRIBUTES_DEPTH
from handler.http.app import ROUTERS
from handler.http.body import JsonRoute
from handler.http.strict_json import MAX_DEPTH, MAX_VALUES

_DIGITS = string.ascii_lowercase + string.digits
_FACE = b"\\ud83d\\ude00"
# What is left beside the members of a plain body.
_MOST_VALUES = MAX_VALUES - 50
# Of 16 digits, which the reader looks at one by one, and still exact.
_LONG_NUMBER = b"1000000000000000"


def body_limit(method: str, path: str) -> int:
    """Bytes that the route takes; `path` as OpenAPI has it."""
    return next(
        route.max_bytes
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, JsonRoute)
        and route.path_format == path
        and method in (route.methods or ())
    )


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A body that a route accepts, and which of its members, if any, take a text, a list or any
    object."""

    plain: Mapping[str, Any]
    text: str | None = None
    array: str | None = None
    object: str | None = None


def shape_of(schema: Mapping[str, Any], plain: Mapping[str, Any]) -> Shape:
    """`schema` is the object's of the OpenAPI document, without references."""
    found: dict[str, str] = {}
    for name, member in schema["properties"].items():
        for form in (member, *member.get("anyOf", ())):
            if "enum" not in form and form.get("type") in {"string", "array", "object"}:
                found.setdefault(form["type"], name)
    return Shape(
        plain=plain,
        text=found.get("string"),
        array=found.get("array"),
        object=found.get("object"),
    )


def short_names() -> Iterator[str]:
    """All names of two characters, then of three, and so on; none is a field of the API."""
    for length in itertools.count(2):
        for letters in itertools.product(_DIGITS, repeat=length):
            yield "".join(letters)


def packed(begin: bytes, parts: Iterator[bytes], end: bytes, size: int) -> bytes:
    """As many parts as fit between `begin` and `end`, with commas, and as may be parsed: with more
    values a body is refused before."""
    chosen, left, values = [], size - len(begin) - len(end), _MOST_VALUES
    for part in parts:
        left -= len(part) + 1
        values -= _values(part)
        if left < -1 or values < 0:
            break
        chosen.append(part)
    return begin + b",".join(chosen) + end


def _values(part: bytes) -> int:
    return 1 + part.count(b"[") + part.count(b"{")


def unknown_names(size: int) -> bytes:
    """An object of as many short names as fit, none of which the service knows."""
    return packed(b"{", _members(), b"}", size)


def nested(depth: int, size: int, *, name: str = "attributes") -> bytes:
    """A member of lists in lists, `depth` levels with the whole body, as often as they fit."""
    one = b"[" * (depth - 3) + b"0" + b"]" * (depth - 3)
    return packed(b'{"%s":{"a":[' % name.encode(), itertools.repeat(one), b"]}}", size)


def full_attributes(size: int, value: object = 0) -> dict[str, object]:
    """Of `size` bytes as the service counts them: short names, each of that value."""
    members: dict[str, object] = {}
    left = size - len("{}")
    for name in short_names():
        left -= len(json.dumps({name: value})) - len("{}") + (2 if members else 0)
        if left < 0 or (len(members) + 1) * _values(json.dumps(value).encode()) > _MOST_VALUES:
            break
        members[name] = value
    return members


def _members(value: bytes = b"0") -> Iterator[bytes]:
    return (b'"%s":%s' % (name.encode(), value) for name in short_names())


def _escaped(text: str) -> bytes:
    return "".join(f"\\u{ord(letter):04x}" for letter in text).encode()


def _filled(begin: bytes, part: bytes, end: bytes, size: int) -> bytes:
    """`part` as often as it fits, without commas."""
    return begin + part * ((size - len(begin) - len(end)) // len(part)) + end


def _text(shape: Shape, part: bytes, size: int, *, last: bytes = b"") -> bytes:
    name = (shape.text or "a").encode()
    return _filled(b'{"%s":"' % name, part, last + b'"}', size)


def _list(values: Iterator[bytes], size: int, *, name: str = "a") -> bytes:
    return packed(b'{"%s":[' % name.encode(), values, b"]}", size)


def _quoted() -> Iterator[bytes]:
    return (b'"%s"' % name.encode() for name in short_names())


Kind = Callable[[Shape, int], bytes]
"""Makes a body of at most that many bytes."""


def refused(shape: Shape) -> dict[str, Kind]:
    """By name, bodies that no route of that shape takes."""
    kinds = dict(_REFUSED)
    if shape.array:
        kinds |= _REFUSED_LISTS
    if shape.object:
        kinds |= _REFUSED_ATTRIBUTES
    return kinds


def accepted(shape: Shape) -> dict[str, Kind]:
    """By name, bodies that mean what `shape.plain` means, or set full attributes beside it."""
    return _ACCEPTED | (_ACCEPTED_ATTRIBUTES if shape.object else {})


def _spaces(shape: Shape, size: int) -> bytes:
    plain = json.dumps(shape.plain).encode()
    return b"{" + b" " * (size - len(plain)) + plain[1:]


def _escapes(shape: Shape, size: int) -> bytes:
    """All names and texts are written in escapes."""
    members = []
    for name, value in shape.plain.items():
        text = _escaped(value) if isinstance(value, str) else None
        written = json.dumps(value).encode() if text is None else b'"%s"' % text
        members.append(b'"%s":%s' % (_escaped(name), written))
    body = b",".join(members) + b"}"
    return b"{" + b"\n" * (size - len(body) - 1) + body


def _with_attributes(make: Callable[[int, int], bytes]) -> Kind:
    """`make` gets how many bytes there are for the value, and how many the service accepts as it
    counts them."""

    def whole(shape: Shape, size: int) -> bytes:
        plain = json.dumps(shape.plain).encode()[:-1]
        begin = b'%s,"%s":' % (plain, (shape.object or "").encode())
        left = size - len(begin) - 1
        return begin + make(left, min(left, ATTRIBUTES_BYTES)) + b"}"

    return whole


def _counted_list(element: bytes, most: int) -> bytes:
    """The service counts a blank behind each comma."""
    elements = min((most - 9) // (len(element) + 2), _MOST_VALUES // _values(element))
    return b'{"a":[' + b",".join([element] * elements) + b"]}"


def _attributes(shape: Shape) -> bytes:
    return b'{"%s":{' % (shape.object or "").encode()


_REFUSED: Mapping[str, Kind] = MappingProxyType(
    {
        "unknown names": lambda _, size: unknown_names(size),
        "unknown names, escaped": lambda _, size: packed(
            b"{", (b'"%s":0' % _escaped(name) for name in short_names()), b"}", size
        ),
        "unknown names, not closed": lambda _, size: unknown_names(size)[:-1],
        "unknown names of objects": lambda _, size: packed(b"{", _members(b"{}"), b"}", size),
        "too many values": lambda _, size: b"[" + b"0," * ((size - 3) // 2) + b"0]",
        "one name many times": lambda _, size: packed(b"{", itertools.repeat(b'"a":0'), b"}", size),
        "a list": lambda _, size: packed(b"[", itertools.repeat(b"0"), b"]", size),
        "long numbers": lambda _, size: _list(itertools.repeat(_LONG_NUMBER), size),
        "real numbers": lambda _, size: _list(itertools.repeat(b"1e9"), size),
        "empty objects": lambda _, size: _list(itertools.repeat(b"{}"), size),
        "lists in lists": lambda _, size: nested(MAX_DEPTH, size),
        "brackets that never close": lambda _, size: b"[" * size,
        "brackets nested too deep": lambda _, size: b"[" * (size // 2) + b"]" * (size // 2),
        "a long text": lambda shape, size: _text(shape, b"a", size),
        "a text of escapes": lambda shape, size: _text(shape, b"\\u0061", size),
        "a text of short escapes": lambda shape, size: _text(shape, b'\\"', size),
        "a text of faces": lambda shape, size: _text(shape, _FACE, size),
        "a lone surrogate at the end": lambda _, size: packed(
            b'{"a":[', _quoted(), b',"\\ud800"]}', size
        ),
        "not UTF-8 at the end": lambda _, size: unknown_names(size - 1) + b"\xff",
        "spaces": lambda _, size: b" " * size,
    }
)

_REFUSED_LISTS: Mapping[str, Kind] = MappingProxyType(
    {
        "many elements": lambda shape, size: _list(_quoted(), size, name=shape.array or ""),
        "many wrong elements": lambda shape, size: _list(
            itertools.repeat(b"0"), size, name=shape.array or ""
        ),
    }
)
_REFUSED_ATTRIBUTES: Mapping[str, Kind] = MappingProxyType(
    {
        "too many attributes": lambda shape, size: packed(
            _attributes(shape), _members(_LONG_NUMBER), b"}}", size
        ),
        "attributes nested too deep": lambda shape, size: nested(
            MAX_DEPTH, size, name=shape.object or ""
        ),
        "attributes and unknown names": lambda shape, size: packed(
            packed(_attributes(shape), _members(), b"},", size // 2), _members(), b"}", size
        ),
    }
)
# The object, the list, and the number in the middle count as levels too.
_NESTED = b"[" * (ATTRIBUTES_DEPTH - 3) + b"0" + b"]" * (ATTRIBUTES_DEPTH - 3)
_OBJECTS: dict[str, Any] = reduce(lambda inner, _: {"a": inner}, range(ATTRIBUTES_DEPTH - 2), {})
_ACCEPTED: dict[str, Kind] = {"spaces": _spaces, "escapes": _escapes}
_ACCEPTED_ATTRIBUTES: dict[str, Kind] = {
    "full attributes": _with_attributes(lambda _, most: json.dumps(full_attributes(most)).encode()),
    "full attributes of objects": _with_attributes(
        lambda _, most: json.dumps(full_attributes(most, {})).encode()
    ),
    "full attributes of nested objects": _with_attributes(
        lambda _, most: json.dumps(full_attributes(most, _OBJECTS)).encode()
    ),
    "nested attributes": _with_attributes(lambda _, most: _counted_list(_NESTED, most)),
    "attributes of long numbers": _with_attributes(
        lambda _, most: _counted_list(_LONG_NUMBER, most)
    ),
    # Six bytes of the body for each that is counted.
    "escaped attributes": _with_attributes(
        lambda left, most: _filled(b'{"a":"', b"\\u0061", b'"}', min(left, 6 * (most - 10)))
    ),
    # Twelve for four.
    "attributes of faces": _with_attributes(
        lambda left, most: _filled(b'{"a":"', _FACE, b'"}', min(left, 3 * (most - 10)))
    ),
}
