"""Requests that are refused for their head, and failures that nobody else answered."""

from __future__ import annotations

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handler.http.exchange import exchange_of
from handler.http.middleware.paths import path_fault
from handler.http.problem_types import BAD_REQUEST, INTERNAL_ERROR
from handler.http.problems import HttpProblem, http_response, problem_response

_log = logging.getLogger(__name__)


class Faults:
    """The server behind it never sees an exception, and a client never sees what was in one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        fault = exchange_of(scope).head.fault or path_fault(scope["raw_path"])
        try:
            if fault is not None:
                raise HttpProblem(BAD_REQUEST, fault)
            await self._app(scope, receive, watch)
        except HttpProblem as problem:
            await http_response(scope, problem)(scope, receive, send)
        except Exception:  # noqa: BLE001  the outermost of them: it answers and logs
            _log.exception("a request failed")
            if not started:
                detail = INTERNAL_ERROR.advice
                response = problem_response(scope, INTERNAL_ERROR, detail)
                await response(scope, receive, send)
