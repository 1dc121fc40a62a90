"""The ASGI application: FastAPI's routes inside our own layers."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

from core.errors import DomainError, InvalidInput, NotFound
from handler.http import docs, openapi, pages
from handler.http.bulkhead import Bulkhead
from handler.http.middleware import wrap
from handler.http.problem_types import INTERNAL_ERROR
from handler.http.problems import domain_response, http_response, problem_response
from handler.http.readiness import ReadinessProbe
from handler.http.routes import (
    accounts,
    audit_events,
    authentication,
    me,
    operations,
    passwords,
    problem_pages,
    roles,
    sessions,
    user_status,
    users,
)
from handler.http.shares import Shares
from handler.http.validation import field_errors

if TYPE_CHECKING:
    from core.bootstrap import Core

# Routes are tried in this order: what is called most comes first.
ROUTERS = (
    me.router,
    operations.router,
    authentication.router,
    sessions.router,
    accounts.router,
    passwords.router,
    users.router,
    user_status.router,
    roles.router,
    audit_events.router,
    pages.router,
    problem_pages.router,
    docs.router,
)


class Application:
    """An ASGI 3 application. `draining` is asked by `/health/ready`."""

    def __init__(
        self, core: Core, *, routers: Sequence[APIRouter], draining: Callable[[], bool]
    ) -> None:
        self._routes = _fastapi(core, routers=routers, draining=draining)
        self._layered = wrap(
            self._routes, settings=core.settings, metrics=core.metrics, ids=core.ids
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._layered(scope, receive, send)

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Those of the API and of the pages, in the order in which they are tried."""
        return self._routes.routes

    def openapi(self) -> dict[str, Any]:
        """The document that `/openapi.json` serves."""
        return openapi.document(self._routes)


def create_app(
    core: Core,
    *,
    routers: Sequence[APIRouter] = (),
    draining: Callable[[], bool] = lambda: False,
) -> Application:
    """The application over `core`, with `routers` beside the API. It needs no lifespan events."""
    return Application(core, routers=routers, draining=draining)


def _fastapi(core: Core, *, routers: Sequence[APIRouter], draining: Callable[[], bool]) -> FastAPI:
    app = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers=_EXCEPTION_HANDLERS,
    )
    app.state.core = core
    app.state.draining = draining
    app.state.shares = shares = Shares.of(core.settings.database_pool_size)
    for name, share in shares.by_name().items():
        core.metrics.watch_line(name, partial(getattr, share, "waiting"))
    app.state.readiness = ReadinessProbe(
        storage=core.storage, access_tokens=core.access_tokens, accelerator=core.accelerator
    )
    app.state.bulkhead = Bulkhead(
        at_once=core.settings.search_concurrency,
        wait=core.settings.search_queue_timeout,
        metrics=core.metrics,
    )
    for router in (*ROUTERS, *routers):
        # Not include_router: it would match every request twice.
        app.router.routes.extend(router.routes)
    return app


async def _on_domain_error(request: Request, error: DomainError) -> Response:
    return domain_response(request.scope, error)


async def _on_invalid_input(request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    if any(fault["loc"][0] == "path" for fault in found):
        # No resource has such an id.
        return domain_response(request.scope, NotFound())
    return domain_response(request.scope, InvalidInput(field_errors(found)))


async def _on_http_error(request: Request, error: HTTPException) -> Response:
    response = http_response(request.scope, error)
    if error.status_code == 405:
        response.headers["allow"] = ", ".join(sorted(_allowed_methods(request)))
    return response


async def _on_failure(request: Request, _: Exception) -> Response:
    """Only the answer: the layer that the exception goes on to writes the log."""
    return problem_response(request.scope, INTERNAL_ERROR, INTERNAL_ERROR.advice)


def _allowed_methods(request: Request) -> set[str]:
    """Of all routes with this path (RFC 9110 section 15.5.6), not only of the first one."""
    methods: set[str] = set()
    for route in request.app.routes:
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE:
            methods |= route.methods or set()
    return methods | {"HEAD"} if "GET" in methods else methods


_EXCEPTION_HANDLERS: dict[
    int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]
] = {
    DomainError: _on_domain_error,
    RequestValidationError: _on_invalid_input,
    HTTPException: _on_http_error,
    Exception: _on_failure,
}
