"""The small pages under `/account/` that links in mails open, and the files they need.

A front end of one's own takes their place with ACCOUNT_URL.
"""

from __future__ import annotations

import functools
from pathlib import Path
from string import Template

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

router = APIRouter(include_in_schema=False)

_STATIC = Path(__file__).parent / "static" / "account"
_PAGES = ("verify", "reset")
_ASSETS = {"account.js": "text/javascript", "account.css": "text/css"}

_PAGE_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # The address of the page is told to nobody.
    "referrer-policy": "no-referrer",
    # Whoever opened the page has no hold on its window.
    "cross-origin-opener-policy": "same-origin",
}
# Short, because pages and assets of two releases would not fit together.
_ASSET_HEADERS = {"cache-control": "public, max-age=300"}


@router.get("/account")
async def account_without_slash() -> Response:
    """The links on the page are relative, so that a path in PUBLIC_URL is kept."""
    return RedirectResponse("account/", status_code=308)


@router.get("/account/")
async def account_page(request: Request) -> Response:
    return _page("index", request)


@router.get("/account/{name}")
async def account_file(name: str, request: Request) -> Response:
    if name in _PAGES:
        return _page(name, request)
    if name not in _ASSETS:
        raise HTTPException(404)
    return Response(_text(name), media_type=_ASSETS[name], headers=_ASSET_HEADERS)


def _page(name: str, request: Request) -> Response:
    min_length = request.app.state.core.settings.password_min_length
    page = Template(_text(f"{name}.html")).substitute(min_length=min_length)
    return Response(page, media_type="text/html", headers=_PAGE_HEADERS)


@functools.cache
def _text(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")
