"""Strict JSON (RFC 8259, RFC 7493): one meaning for every reader, in linear and bounded time."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from core.errors import InvalidInput
from handler.http.problem_types import MALFORMED_JSON
from handler.http.problems import HttpProblem
from handler.http.validation import escape_pointer

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1
MAX_VALUES = 1000
"""Members of objects and elements of arrays, all together: each costs time wherever it is looked
at."""

_LONGEST_NUMBER = 64

# A string, closed or not. Possessive, so that nothing is ever read twice.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)
_NO_BRACKETS = re.compile(r"[^\[\]{}]++")
_SUSPECT_NUMBER = re.compile(r"[0-9](?:[eE]|[0-9]{15})")
_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def parse_json(body: bytes) -> Any:
    """Without the input in the error.

    Raises:
        HttpProblem: `malformed-json`.
        InvalidInput: a string holds what cannot be stored.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed("The body is not UTF-8.") from None
    if _values(text) > MAX_VALUES and _values(_STRING.sub("", text)) > MAX_VALUES:
        raise malformed(f"The body has more than {MAX_VALUES} values.")
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    try:
        value = (_EXACT if _is_suspect(text) else _QUICK).decode(text)
    except json.JSONDecodeError as error:
        raise malformed(f"The body is no JSON text, from character {error.pos} on.") from None
    if _SUSPECT_ESCAPE.search(text) or "\0" in text:
        _check_strings(value)
    return value


def _is_suspect(text: str) -> bool:
    """Whether a number may be out of bounds. Names and texts may look like one."""
    found = _SUSPECT_NUMBER.search(text)
    return found is not None and _SUSPECT_NUMBER.search(_STRING.sub("", text)) is not None


def _values(text: str) -> int:
    """At most: a comma stands before each value but the first of its object or array."""
    return sum(map(text.count, ",[{"))


def _check_depth(text: str) -> None:
    """Takes the innermost pairs of brackets away, level by level, without a loop over tokens."""
    brackets = _NO_BRACKETS.sub("", _STRING.sub("", text)).replace("{", "[").replace("}", "]")
    for _ in range(MAX_DEPTH):
        outer = brackets.replace("[]", "")
        if len(outer) == len(brackets):
            break
        brackets = outer
    if brackets:
        raise malformed(
            f"The body nests more than {MAX_DEPTH} levels, or its brackets do not match."
        )


def _check_strings(value: Any) -> None:
    """Well-formed JSON, but nothing that PostgreSQL and UTF-8 can hold."""
    for pointer, text in _strings(value, ""):
        if _UNSTORABLE.search(text):
            raise InvalidInput.at(pointer, "must hold no NUL and no lone surrogate")


def _strings(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Every string, and every name at the place of its object; the depth was checked before."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield pointer, name
            yield from _strings(member, f"{pointer}/{escape_pointer(name)}")
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _strings(element, f"{pointer}/{index}")


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        raise malformed("A name occurs twice in one object.")
    return value


def _integer(digits: str) -> int:
    value = int(digits) if len(digits) <= _LONGEST_NUMBER else MAX_INTEGER + 1
    if abs(value) > MAX_INTEGER:
        raise malformed("An integer is beyond 2^53 - 1, where readers lose digits.")
    return value


def _real(digits: str) -> float:
    value = float(digits) if len(digits) <= _LONGEST_NUMBER else math.inf
    if math.isinf(value):
        raise malformed("A number is too large or too long.")
    return value


def _constant(_: str) -> Any:
    raise malformed("NaN and Infinity are no JSON.")


def malformed(detail: str) -> HttpProblem:
    """Of a body that is no JSON of ours."""
    return HttpProblem(MALFORMED_JSON, detail)


_QUICK = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
_EXACT = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_int=_integer,
    parse_float=_real,
)
"""For texts that may hold a number out of bounds: a call for each number takes its time."""
