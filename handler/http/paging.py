"""Keyset pages: `?limit=` and `?cursor=`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query
from pydantic import BeforeValidator
from pydantic_core import PydanticKnownError
from starlette.requests import Request
from starlette.responses import Response

from core.errors import FieldError, InvalidInput
from handler.http.answers import json_response
from handler.http.body import JsonRoute
from handler.http.validation import MOST_FAULTS, escape_pointer

LARGEST = 200
DEFAULT = 50

_NUMBER = re.compile(r"[0-9]{1,9}")

T = TypeVar("T")


@dataclass(frozen=True)
class Page:
    limit: int
    cursor: str | None


async def check_query(request: Request) -> None:
    """Each parameter once, and none that the route does not have: a misspelt filter would list
    what nobody asked for.

    Raises:
        InvalidInput
    """
    route: JsonRoute = request.scope["route"]
    known = route.query_parameters
    given = [name for name, _ in request.query_params.multi_items()]
    errors = [
        FieldError(f"/query/{escape_pointer(name)}"[:200], detail)
        for name, detail in (
            *((name, "is not a parameter of this request") for name in set(given) - known),
            *((name, "was sent more than once") for name in known if given.count(name) > 1),
        )
    ]
    if errors:
        raise InvalidInput(errors[:MOST_FAULTS])


def _digits(text: object) -> object:
    """As it is. Pydantic alone would take `1_0` and `5.0` too."""
    if isinstance(text, str) and not _NUMBER.fullmatch(text):
        raise PydanticKnownError("int_parsing")
    return text


async def _page(
    _: Annotated[None, Depends(check_query)],
    limit: Annotated[
        int, Query(ge=1, le=LARGEST, description="Entries a page."), BeforeValidator(_digits)
    ] = DEFAULT,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> Page:
    return Page(limit, cursor)


PageRequest = Annotated[Page, Depends(_page)]
"""The parameter of an endpoint that lists. Raises InvalidInput."""


def page_response(
    request: Request,
    page: Page,
    found: Sequence[T],
    *,
    item: Callable[[T], Any],
    cursor: Callable[[T], str],
) -> Response:
    """The body `{"data": [...], "next_cursor": ...}`, for a GET with a Link to the next page.

    `found` has one entry more than `page.limit` when there is a next page; `cursor` makes that of
    the page behind an entry.
    """
    shown = found[: page.limit]
    following = cursor(shown[-1]) if len(found) > len(shown) else None
    headers = {}
    if following is not None and request.method == "GET":
        again = {**request.query_params, "limit": page.limit, "cursor": following}
        headers["link"] = f'<{request.scope["path"]}?{urlencode(again)}>; rel="next"'
    body = {"data": [item(entry) for entry in shown], "next_cursor": following}
    return json_response(body, headers=headers)
