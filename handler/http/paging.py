"""Keyset pages: `?limit=` and `?cursor=`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query
from starlette.requests import Request

from core.errors import InvalidInput


@dataclass(frozen=True)
class Page:
    limit: int
    cursor: str | None


async def _page(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200, description="Entries a page.")] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
) -> Page:
    for name in ("limit", "cursor"):
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidInput.at(f"/query/{name}", "was sent more than once")
    return Page(limit, cursor)


PageRequest = Annotated[Page, Depends(_page)]
"""The parameter of an endpoint that lists. Raises InvalidInput."""
