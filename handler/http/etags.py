"""Entity tags (RFC 9110 section 8.8.3): the version of a resource in quotes, always strong."""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.requests import Request

from core.errors import VersionMismatch
from handler.http.problem_types import BAD_REQUEST
from handler.http.problems import HttpProblem

IF_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "Change only what still has this ETag.",
    "schema": {"type": "string"},
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "Answer 304 while it still has this ETag.",
    "schema": {"type": "string"},
}
"""Parameters for `openapi_extra=` of a route."""

_TAG = re.compile(r'(W/)?"([!#-~\x80-\xff]*)"')
_LONGEST = 1024


def etag(version: int) -> str:
    return f'"{version}"'


def expected_version(request: Request, current: int) -> int | None:
    """The version that a change is meant for: `current` if If-Match names it, None if any is.

    Any is without If-Match, and with `*`.

    Raises:
        VersionMismatch: it names others only; a weak tag never matches (section 13.1.1).
        HttpProblem: it is no list of entity tags.
    """
    values = request.headers.getlist("if-match")
    if not values:
        return None
    tags = _tags(values)
    if tags is None:
        raise HttpProblem(BAD_REQUEST, 'If-Match has to be an ETag in quotes, such as "3", or *.')
    if "*" in tags:
        return None
    if etag(current) not in tags:
        raise VersionMismatch
    return current


def unchanged(request: Request, current: int) -> bool:
    """Whether If-None-Match names `current`, by weak comparison (section 13.1.2).

    One that cannot be read matches nothing.
    """
    tags = _tags(request.headers.getlist("if-none-match"))
    if not tags:
        return False
    return "*" in tags or etag(current) in {tag.removeprefix("W/") for tag in tags}


def _tags(values: Sequence[str]) -> list[str] | None:
    """The tags as they were sent; None when there is something else among them."""
    text = ", ".join(values)
    if len(text) > _LONGEST:
        return None
    if text.strip() == "*":
        return ["*"]
    tags = [part.strip() for part in text.split(",")]
    return tags if all(_TAG.fullmatch(tag) for tag in tags) else None
