"""`/openapi.json`, and `/docs` from local files: no request leaves for another server."""

from __future__ import annotations

import functools
import gzip
import importlib.util
import re
from pathlib import Path

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from handler.http.answers import JSON
from handler.http.openapi import document_bytes

router = APIRouter(include_in_schema=False)

_WEIGHT = re.compile(r"q=(?!0(?:\.0*)?\Z)[0-9.]+")

_STATIC = Path(__file__).parent / "static"
_CACHED = {"cache-control": "public, max-age=300"}

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""Swagger UI works with it: a test opens the page in a browser."""


@router.get("/openapi.json")
def openapi_document(request: Request) -> Response:
    return Response(document_bytes(request.app), media_type=JSON, headers=_CACHED)


@router.get("/docs")
def docs_page() -> Response:
    headers = {"content-security-policy": _PAGE_POLICY, **_CACHED}
    return Response(_file("docs.html")[0], media_type="text/html", headers=headers)


@router.get("/docs/{name}")
def docs_file(name: str, request: Request) -> Response:
    served = _FILES.get(name)
    if served is None:
        raise HTTPException(404)
    source, media_type = served
    plain, packed = _file(source)
    headers = {"vary": "Accept-Encoding", **_CACHED}
    if _takes_gzip(request.headers.get("accept-encoding", "")):
        # Swagger UI has 1.5 MB, and an ALB takes answers of 1 MB from Lambda.
        return Response(
            packed, media_type=media_type, headers={**headers, "content-encoding": "gzip"}
        )
    return Response(plain, media_type=media_type, headers=headers)


def _takes_gzip(accepted: str) -> bool:
    """Whether it is named, and not with a weight of zero (RFC 9110 section 12.5.3)."""
    for coding in accepted.split(","):
        name, weighted, weight = coding.partition(";")
        if name.strip() == "gzip" and (not weighted or _WEIGHT.fullmatch(weight.strip())):
            return True
    return False


_FILES = {
    "start.js": ("docs.js", "text/javascript"),
    "swagger-ui.css": ("swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("swagger-ui-bundle.js", "text/javascript"),
}


@functools.cache
def _file(name: str) -> tuple[bytes, bytes]:
    """A file of ours, or of the package that ships Swagger UI, as it is and gzipped."""
    path = _STATIC / name
    if not path.exists():
        path = _swagger_ui() / name
    content = path.read_bytes()
    return content, gzip.compress(content, mtime=0)


def _swagger_ui() -> Path:
    """The folder of the files, found without running the package's code."""
    spec = importlib.util.find_spec("fastapi_offline")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package fastapi-offline, which ships Swagger UI, is missing")
    return Path(spec.submodule_search_locations[0]) / "static"
