"""The layers around the application, pure ASGI. `wrap` puts them in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.types import ASGIApp

from handler.http.middleware.answers import AnswerHeaders, cross_origin
from handler.http.middleware.bodies import Bodies
from handler.http.middleware.deadline import Deadline
from handler.http.middleware.faults import Faults
from handler.http.middleware.head import HeadRequests
from handler.http.middleware.observation import Observation
from handler.http.middleware.threads import Threads

if TYPE_CHECKING:
    from core.config import Settings
    from core.ports.runtime import Ids, RequestMetrics

__all__ = ["wrap"]


def wrap(app: ASGIApp, *, settings: Settings, metrics: RequestMetrics, ids: Ids) -> ASGIApp:
    """From the inside to the outside: what a request meets first comes last."""
    layered: ASGIApp = HeadRequests(app)
    layered = Bodies(layered)
    layered = Deadline(layered, seconds=settings.request_timeout)
    layered = Faults(layered)
    if settings.cors_allowed_origins:
        layered = cross_origin(layered, settings.cors_allowed_origins)
    layered = AnswerHeaders(layered)
    layered = Observation(layered, metrics=metrics, ids=ids)
    return Threads(layered, limit=settings.database_pool_size)
