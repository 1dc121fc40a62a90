"""The Lambda face: one request or one scheduled job an invocation.

Settings and core are built at import, which is the function's init phase: a setting that cannot be
used fails the deployment and not the first request.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import threading
from typing import Any
from uuid import uuid4

from mangum import Mangum
from mangum.types import ASGI, LambdaConfig, Message, Receive, Response, Scope, Send

from core.bootstrap import Core, build_core, configure_logging
from core.config import Settings
from handler.configuration import Configuration
from handler.http.app import create_app
from handler.http.bare_problem import bare_problem
from handler.http.problem_types import INTERNAL_ERROR
from handler.lambda_events import normalise, render
from handler.lambda_forms import EventForm, MalformedEvent, form_of
from handler.relays import open_relay
from handler.worker import run_job

_JOB_SECONDS = 50.0
"""Jobs come every minute; each ends before the next one."""

logger = logging.getLogger(__name__)


class LambdaFunction:
    """One execution environment: `handle` is what Lambda calls, one invocation at a time."""

    def __init__(self, core: Core, app: ASGI) -> None:
        self._core = core
        self._loop = asyncio.new_event_loop()
        self._free = threading.Lock()
        asyncio.set_event_loop(self._loop)
        # With `lifespan="auto"` Mangum would run the start-up in every invocation.
        self._mangum = Mangum(AlwaysAnswered(app), lifespan="off", custom_handlers=[Normaliser])

    def close(self) -> None:
        """Ends its event loop; Lambda never asks for that."""
        self._loop.close()

    def handle(self, event: Any, context: Any) -> dict[str, Any]:
        """The answer to an HTTP event, in its own form, or what a job has done, by kind.

        Raises:
            ConfigurationError: there is no such job.
            StorageUnavailable: a job found no database.
            UnknownEvent: neither a job nor an HTTP request of a form that is served here.
        """
        if isinstance(event, dict) and "job" in event and "requestContext" not in event:
            return dict(run_job(self._core, event["job"], self._seconds_for_a_job(context)))
        form = form_of(event)
        try:
            with self._free:
                # Mangum asks for the thread's loop, which `asyncio.run` elsewhere takes away.
                asyncio.set_event_loop(self._loop)
                return self._mangum(event, context)
        except MalformedEvent as error:
            return _refusal(form, 400, f"The event cannot be read: {error}.", str(uuid4()))
        except Exception:
            request_id = str(uuid4())
            logger.exception("an invocation failed", extra={"request_id": request_id})
            return _refusal(form, 500, INTERNAL_ERROR.advice, request_id)

    def _seconds_for_a_job(self, context: Any) -> float:
        if context is None:
            return _JOB_SECONDS
        # A mail that is being sent is finished first.
        spare = self._core.settings.mail_timeout + 5
        left = float(context.get_remaining_time_in_millis()) / 1000 - spare
        return max(1.0, min(_JOB_SECONDS, left))


class Normaliser:
    """Mangum's only handler: how events are read and answered is ours (docs/decisions/0008)."""

    def __init__(self, event: dict[str, Any], context: Any, config: LambdaConfig) -> None:  # noqa: ARG002
        self._request = normalise(event)

    @classmethod
    def infer(cls, event: dict[str, Any], context: Any, config: LambdaConfig) -> bool:  # noqa: ARG003
        return True

    @property
    def body(self) -> bytes:
        return self._request.body

    @property
    def scope(self) -> Scope:
        return self._request.scope()

    def __call__(self, response: Response) -> dict[str, Any]:
        return render(
            self._request.form,
            method=self._request.method,
            status=response["status"],
            headers=[(name, value) for name, value in response["headers"]],
            body=response["body"],
        )


class AlwaysAnswered:
    """Gives Mangum whole answers only: it would turn an exception into plain text."""

    def __init__(self, app: ASGI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        try:
            await self._app(scope, receive, keep)
            if not _whole(messages):
                raise RuntimeError("the application ended before its answer")
        except BaseException:
            request_id = str(uuid4())
            logger.exception("a request failed", extra={"request_id": request_id})
            if not _whole(messages):
                messages = _failure(request_id)
        for message in messages:
            await send(message)


def _whole(messages: list[Message]) -> bool:
    if not messages or "status" not in messages[0]:
        return False
    return messages[-1]["type"] == "http.response.body" and not messages[-1].get("more_body")


def _failure(request_id: str) -> list[Message]:
    headers, body = bare_problem(500, INTERNAL_ERROR.advice, request_id=request_id)
    return [
        {"type": "http.response.start", "status": 500, "headers": headers},
        {"type": "http.response.body", "body": body, "more_body": False},
    ]


def _refusal(form: EventForm, status: int, detail: str, request_id: str) -> dict[str, Any]:
    headers, body = bare_problem(status, detail, request_id=request_id)
    return render(form, method="GET", status=status, headers=headers, body=body)


def lambda_settings() -> Settings:
    """The environment's settings, with the one database connection that an invocation can use.

    Raises:
        ConfigurationError: they cannot be used.
    """
    return _for_one_connection(Configuration.of(os.environ))


def _for_one_connection(configuration: Configuration) -> Settings:
    settings = configuration.settings()
    return dataclasses.replace(settings, database_pool_size=1, database_pre_ping=True)


def _build() -> LambdaFunction:
    configuration = Configuration.of(os.environ)
    settings = _for_one_connection(configuration)
    configure_logging(settings)
    core = build_core(settings, logins=configuration.logins, relay=open_relay)
    return LambdaFunction(core, create_app(core))


lambda_handler = _build().handle
