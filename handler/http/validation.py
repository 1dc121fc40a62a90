"""What is wrong with an input, said without repeating any of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from core.errors import FieldError

MOST_FAULTS = 20

_LONGEST_POINTER = 200

_DETAILS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is required",
    "extra_forbidden": lambda _: "is not a field of this request",
    "string_type": lambda _: "must be a string",
    "string_too_short": lambda ctx: f"must have at least {ctx['min_length']} characters",
    "string_too_long": lambda ctx: f"must have at most {ctx['max_length']} characters",
    "string_pattern_mismatch": lambda _: "holds characters that are not allowed",
    "dict_type": lambda _: "must be an object",
    "model_attributes_type": lambda _: "must be an object",
    "model_type": lambda _: "must be an object",
    "int_type": lambda _: "must be a whole number",
    "int_parsing": lambda _: "must be a whole number",
    "int_from_float": lambda _: "must be a whole number",
    "greater_than_equal": lambda ctx: f"must be at least {ctx['ge']}",
    "less_than_equal": lambda ctx: f"must be at most {ctx['le']}",
}


def field_errors(found: Sequence[Mapping[str, Any]]) -> list[FieldError]:
    """Pydantic's errors as ours, the first `MOST_FAULTS` of them.

    A pointer is into the body; for the query and headers it begins with `/query` or `/header`.
    """
    return [_field_error(error) for error in found[:MOST_FAULTS]]


def _field_error(error: Mapping[str, Any]) -> FieldError:
    place, *path = error["loc"]
    steps = path if place == "body" else [place, *path]
    pointer = "".join(f"/{escape_pointer(str(step))}" for step in steps)[:_LONGEST_POINTER]
    describe = _DETAILS.get(error["type"])
    return FieldError(pointer, describe(error.get("ctx", {})) if describe else "is not valid")


def escape_pointer(step: str) -> str:
    """A name as a step of a JSON pointer (RFC 6901 section 3)."""
    return step.replace("~", "~0").replace("/", "~1")
