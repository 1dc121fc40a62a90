"""Bodies: how large they may be, and who has to be known before one is read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from inspect import iscoroutinefunction
from typing import Annotated, Any, ClassVar

from fastapi import APIRouter, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from core.errors import TooManyRequests, Unavailable
from core.lazy import lazy
from handler.http.auth import is_signed, know_caller
from handler.http.context import Call
from handler.http.exchange import exchange_of
from handler.http.limits import count_address, limits_by_address
from handler.http.problem_types import BAD_REQUEST, UNSUPPORTED_MEDIA_TYPE
from handler.http.problems import HttpProblem
from handler.http.strict_json import malformed, parse_json
from handler.http.validation import MOST_FAULTS

_JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"


class RequestBody(BaseModel):
    """No conversions, no unknown fields (mass assignment), nothing of the input in errors.

    `max_bytes` is the longest body that is read.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    max_bytes: ClassVar[int] = 16 * 1024

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Nothing secret or personal gets into a traceback or a log."""
        return iter(())


COME_LATER = (TooManyRequests, Unavailable)
"""Refusals of an honest client too, which sends the same again."""

Secret = Annotated[str, Field(min_length=1, max_length=1024)]
"""A password or a token. What it must be like is the domain's to say."""


class JsonRoute(APIRoute):
    """A route whose body, if it takes one, is strict JSON.

    Nothing is done in proportion to a request before it is known who asks, and whether they may
    ask now: first comes the token or the limit by address, then the body is read, parsed and
    judged, each within bounds.
    """

    @lazy
    def query_parameters(self) -> frozenset[str]:
        """Names of the parameters that the endpoint and its dependencies take from the query."""
        return frozenset(
            field.alias
            for field in get_flat_params(self.dependant)
            if isinstance(field.field_info, params.Query)
        )

    @property
    def body_model(self) -> type[RequestBody] | None:
        """What the body is read as; None when the route takes none."""
        if self.body_field is None:
            return None
        model: type[RequestBody] = self.body_field.field_info.annotation  # type: ignore[assignment]
        return model

    @property
    def max_bytes(self) -> int:
        """Of a body; where none is asked for, as much is read and left alone."""
        return (self.body_model or RequestBody).max_bytes

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        model = self.body_model
        allowed = {_JSON, MERGE_PATCH} if "PATCH" in (self.methods or ()) else {_JSON}
        limits = limits_by_address(self.methods or (), self.path)
        signed = is_signed(self.dependant)
        waits = iscoroutinefunction(self.endpoint)

        async def strict(request: Request) -> Response:
            request = JsonRequest(request.scope, request.receive)
            call = Call(request)
            with call.attended():
                return await attend(request, call)

        async def attend(request: JsonRequest, call: Call) -> Response:
            if limits:
                call.exchange.share = call.shares.credentials
            try:
                if signed:
                    await know_caller(call)
                for limit in limits:
                    await call.in_thread(count_address, call, limit)
            except COME_LATER:
                await _skip(request, self.max_bytes)
                raise
            body = await _read(request, self.max_bytes)
            if waits and model is None:
                # It takes its places itself, or needs none, as what tells of health.
                return await handle(request)
            async with call.place():
                if model is not None:
                    await _parse(request, body, model, allowed)
                if not waits:
                    return await handle(request)
            return await handle(request)

        return strict


def json_router(tag: str) -> APIRouter:
    """A router of such routes; an operation's id in OpenAPI is the name of its function."""
    return APIRouter(
        route_class=JsonRoute, tags=[tag], generate_unique_id_function=lambda route: route.name
    )


class JsonRequest(Request):
    """Its `json` refuses what readers could understand in two ways."""

    async def json(self) -> Any:
        """The parsed body. Raises what `parse_json` raises."""
        if not hasattr(self, "_json"):
            self._json = parse_json(await self.body())
        return self._json

    def forget_surplus(self, model: type[BaseModel]) -> None:
        """Drops unknown members beyond the number that is reported: each costs an error."""
        value, known = self._json, model.model_fields
        if not isinstance(value, Mapping) or len(value) <= MOST_FAULTS + len(known):
            return
        unknown = [name for name in value if name not in known]
        for name in unknown[MOST_FAULTS:]:
            del self._json[name]


async def _skip(request: Request, max_bytes: int) -> None:
    """Takes a short body and does not look at it, so that the connection is kept."""
    if 0 < exchange_of(request.scope).head.content_length <= max_bytes:
        await _read(request, max_bytes)


async def _read(request: Request, max_bytes: int) -> bytes:
    """Asked for or not: the next request stands behind it."""
    exchange_of(request.scope).body_limit = max_bytes
    try:
        return await request.body()
    except ClientDisconnect:
        raise HttpProblem(BAD_REQUEST, "The body ended too early.") from None


async def _parse(
    request: JsonRequest, body: bytes, model: type[RequestBody], allowed: Collection[str]
) -> None:
    _check_media_type(request.headers.get("content-type", ""), allowed)
    if not body:
        raise malformed("The body is empty.")
    # Here, because FastAPI makes one error of all that it meets while it parses.
    await request.json()
    request.forget_surplus(model)


def _check_media_type(content_type: str, allowed: Collection[str]) -> None:
    essence, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if essence.strip().lower() not in allowed or charset not in {"", "charset=utf-8"}:
        detail = f"The body has to be {' or '.join(sorted(allowed))} in UTF-8."
        raise HttpProblem(UNSUPPORTED_MEDIA_TYPE, detail)
