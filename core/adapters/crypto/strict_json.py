"""JSON objects with one meaning."""

from __future__ import annotations

import json


def parse_object(data: bytes) -> dict[str, object]:
    """A UTF-8 JSON object without repeated names, NaN or Infinity (RFC 8259 section 4).

    Raises:
        ValueError: it is anything else.
    """
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member name is repeated")
    return members


def _constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant)
