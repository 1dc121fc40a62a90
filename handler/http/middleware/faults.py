"""Requests that are refused for their head, and failures that nobody else answered."""

from __future__ import annotations

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from handler.http.exchange import exchange_of
from handler.http.middleware.paths import path_fault
from handler.http.problem_types import BAD_REQUEST, INTERNAL_ERROR, UNSUPPORTED_MEDIA_TYPE
from handler.http.problems import HttpProblem, http_response, problem_response

# The framework reads the query of each request, before any route says what it takes.
_LONGEST_QUERY = 8 * 1024
_MOST_PARAMETERS = 64
_CODED = "The body has a Content-Encoding; it has to come as it is."
# RFC 7694 section 3, RFC 9110 section 15.5.16.
_AS_IT_IS = {"accept-encoding": "identity"}

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

        # No route takes them, and the framework would read them all the same.
        scope["headers"] = [each for each in scope["headers"] if each[0] != b"cookie"]
        try:
            _judge(scope)
            await self._app(scope, receive, watch)
        except HttpProblem as problem:
            await http_response(scope, problem)(scope, receive, send)
        except Exception:  # noqa: BLE001  the outermost of them: it answers and logs
            _log.exception("a request failed")
            if not started:
                detail = INTERNAL_ERROR.advice
                response = problem_response(scope, INTERNAL_ERROR, detail)
                await response(scope, receive, send)


def _judge(scope: Scope) -> None:
    """Raises HttpProblem for what cannot be served, whatever it asks for."""
    head = exchange_of(scope).head
    fault = head.fault or path_fault(scope["raw_path"])
    if fault is not None:
        raise HttpProblem(BAD_REQUEST, fault)
    if not head.has_host and scope["http_version"] != "1.0":
        # RFC 9112 section 3.2; an http URI without a host is none (RFC 9110 section 4.2.1).
        raise HttpProblem(BAD_REQUEST, "The header host is missing or empty.")
    query = scope["query_string"]
    if len(query) > _LONGEST_QUERY or query.count(b"&") >= _MOST_PARAMETERS:
        raise HttpProblem(BAD_REQUEST, "The query string is too long, or has too many parameters.")
    if head.coded:
        raise HttpProblem(UNSUPPORTED_MEDIA_TYPE, _CODED, headers=_AS_IT_IS)
