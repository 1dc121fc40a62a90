"""The pages that the `type` of each problem leads to."""

from __future__ import annotations

import functools
from html import escape
from pathlib import Path
from string import Template

from fastapi import APIRouter
from starlette.responses import Response

from core.errors import NotFound
from handler.http.problem_types import PROBLEM_TYPES

router = APIRouter(include_in_schema=False)

_TEMPLATE = Path(__file__).parent.parent / "static" / "problem.html"


@router.get("/problems/{code}")
def problem_page(code: str) -> Response:
    page = _page(code) if code in PROBLEM_TYPES else None
    if page is None:
        raise NotFound
    headers = {"cache-control": "public, max-age=3600"}
    return Response(page, media_type="text/html", headers=headers)


@functools.cache
def _page(code: str) -> str:
    kind = PROBLEM_TYPES[code]
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(kind.title),
        uri=escape(kind.uri),
        status=kind.status,
        advice=escape(kind.advice),
    )
