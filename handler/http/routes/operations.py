"""Health, keys and metadata: for machines, not for people."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from starlette.responses import RedirectResponse, Response
from typing_extensions import TypedDict

from handler.http.answers import json_response
from handler.http.body import json_router
from handler.http.context import AnyCall

router = json_router("Operations")

_PUBLIC = {"cache-control": "public, max-age=300"}
"""As long as a published key has to be known before it signs, many times over."""


_REDIS: Mapping[bool | None, Literal["off", "up", "down"]] = MappingProxyType(
    {None: "off", True: "up", False: "down"}
)


class Health(TypedDict):
    status: str


class Readiness(TypedDict):
    """`keys` is whether there is one to sign with that opens with this SECRET_KEY. `standby` and
    `redis` are for information: a standby is read only, and ready; without Redis limits and caches
    are each process's own."""

    status: str
    database: bool
    schema: bool
    keys: bool
    standby: bool
    redis: Literal["off", "up", "down"]
    draining: bool


class ServerMetadata(TypedDict):
    """RFC 8414 section 2, only what exists."""

    issuer: str
    jwks_uri: str
    response_types_supported: list[str]
    grant_types_supported: list[str]
    service_documentation: str


@router.get("/health", responses={200: {"model": Health}})
async def health() -> Response:
    """Whether the process is up. Asks nobody, and waits for nothing."""
    return json_response(Health(status="ok"))


@router.get("/health/live", responses={200: {"model": Health}})
async def liveness() -> Response:
    """Whether the process should go on. A database outage is no reason to restart it."""
    return json_response(Health(status="ok"))


@router.get(
    "/health/ready",
    responses={200: {"model": Readiness}, 503: {"model": Readiness, "description": "Not ready"}},
)
async def readiness(call: AnyCall) -> Response:
    """Whether requests should be sent here: database, schema, keys, and no shutdown under way."""
    state = call.request.app.state
    found, keys, redis = await state.readiness()
    draining = state.draining()
    good = found.database and found.schema and keys and not draining
    body = Readiness(
        status="ready" if good else "draining" if draining else "not ready",
        database=found.database,
        schema=found.schema,
        keys=keys,
        standby=found.standby,
        redis=_REDIS[redis],
        draining=draining,
    )
    return json_response(body, status=200 if good else 503)


@router.get("/.well-known/jwks.json", responses={200: {"model": dict[str, Any]}})
def jwks(call: AnyCall) -> Response:
    """The public keys that verify access tokens (RFC 7517)."""
    return json_response(call.core.access_tokens.jwks(), headers=_PUBLIC)


@router.get("/.well-known/oauth-authorization-server", responses={200: {"model": ServerMetadata}})
async def server_metadata(call: AnyCall) -> Response:
    """Metadata of the issuer (RFC 8414).

    There is no OAuth endpoint yet, so the lists are empty: section 2 requires the first one, and
    without the second one clients assume grants that do not exist (erratum 7793).
    """
    url = call.core.settings.public_url
    body = ServerMetadata(
        issuer=url,
        jwks_uri=f"{url}/.well-known/jwks.json",
        response_types_supported=[],
        grant_types_supported=[],
        service_documentation=f"{url}/docs",
    )
    return json_response(body, headers=_PUBLIC)


@router.get(
    "/.well-known/change-password",
    status_code=302,
    responses={302: {"description": "To the page that resets a password"}},
    response_class=RedirectResponse,
)
async def change_password_page(call: AnyCall) -> Response:
    """Where password managers send people (W3C, A Well-Known URL for Changing Passwords)."""
    settings = call.core.settings
    base = settings.account_url or f"{settings.public_url}/account"
    return RedirectResponse(f"{base}/reset", status_code=302)
