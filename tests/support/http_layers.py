"""Small applications inside the layers of the HTTP face, without a core."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from core.adapters.runtime import SystemClock, UuidV7Ids
from core.config import DEVELOPMENT_SECRET_KEY, Settings
from handler.http.middleware import wrap
from handler.http.problems import http_response
from tests.support.http_probe import Headers, Reply, answer

SETTINGS = Settings.from_environ(
    {
        "ENVIRONMENT": "development",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1/none",
        "SECRET_KEY": DEVELOPMENT_SECRET_KEY,
        "MAIL_URL": "directory:///nowhere",
        "DATABASE_POOL_SIZE": "3",
        "REQUEST_TIMEOUT": "20",
    }
)


@dataclass
class Seen:
    """What the layers count, watched from here."""

    started: int = 0
    finished: list[tuple[str, str, int]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def request_started(self) -> None:
        self.started += 1

    def request_finished(self, *, method: str, path: str, status: int, seconds: float) -> None:
        self.finished.append((method, path, status))
        self.seconds.append(seconds)


async def _problem(request: Request, error: Any) -> Response:
    return http_response(request.scope, error)


async def hello(request: Request) -> Response:
    return Response(b"hello", media_type="text/plain")


async def length(request: Request) -> Response:
    return Response(str(len(await request.body())))


def build(**settings: Any) -> tuple[ASGIApp, Seen]:
    """A small application inside the layers, and what its metrics saw."""
    seen = Seen()
    routes = [
        Route("/hello/{name}", hello),
        Route("/length", length, methods=["POST"]),
    ]
    inside = Starlette(routes=routes, exception_handlers={HTTPException: _problem})
    return wrapped(inside, seen, **settings), seen


def wrapped(app: ASGIApp, seen: Seen | None = None, **settings: Any) -> ASGIApp:
    return wrap(
        app,
        settings=replace(SETTINGS, **settings),
        metrics=seen or Seen(),
        ids=UuidV7Ids(SystemClock()),
    )


def get(path: str = "/hello/x", headers: Headers = (), **settings: Any) -> Reply:
    return answer(build(**settings)[0], "GET", path, headers=headers)
