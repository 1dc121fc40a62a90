"""Bodies as strict JSON (RFC 8259, RFC 7493): one meaning for every reader, in linear time."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from functools import cached_property
from typing import Annotated, Any

from fastapi import APIRouter, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.params import Depends
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from core.errors import InvalidInput
from handler.http.limits import limits_by_address
from handler.http.problem_types import BAD_REQUEST, MALFORMED_JSON, UNSUPPORTED_MEDIA_TYPE
from handler.http.problems import HttpProblem
from handler.http.validation import escape_pointer

MAX_DEPTH = 32
MAX_INTEGER = 2**53 - 1

_JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

_LONGEST_NUMBER = 64
_INLINE_BYTES = 16 * 1024

# A string, closed or not. Possessive, so that nothing is ever read twice.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\Z)', re.DOTALL)
_NO_BRACKETS = re.compile(r"[^\[\]{}]++")
_SUSPECT_NUMBER = re.compile(r"[0-9]{16}|[0-9][eE]")
_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class RequestBody(BaseModel):
    """No conversions, no unknown fields (mass assignment), nothing of the input in errors."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Nothing secret or personal gets into a traceback or a log."""
        return iter(())


Secret = Annotated[str, Field(min_length=1, max_length=1024)]
"""A password or a token. What it must be like is the domain's to say."""


class JsonRoute(APIRoute):
    """A route whose body, if it takes one, is strict JSON, with the limits by address of its row
    in the table."""

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        methods: Collection[str] | None = None,
        dependencies: Sequence[Depends] | None = None,
        **options: Any,
    ) -> None:
        limits = limits_by_address(methods or (), path)
        super().__init__(
            path,
            endpoint,
            methods=set(methods) if methods else None,
            dependencies=[*limits, *(dependencies or ())],
            **options,
        )

    @cached_property
    def query_parameters(self) -> frozenset[str]:
        """Names of the parameters that the endpoint and its dependencies take from the query."""
        return frozenset(
            field.alias
            for field in get_flat_params(self.dependant)
            if isinstance(field.field_info, params.Query)
        )

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        allowed = {_JSON, MERGE_PATCH} if "PATCH" in (self.methods or ()) else {_JSON}
        takes_body = self.body_field is not None

        async def strict(request: Request) -> Response:
            request = JsonRequest(request.scope, request.receive)
            try:
                # Asked for or not: the next request stands behind it.
                body = await request.body()
            except ClientDisconnect:
                raise HttpProblem(BAD_REQUEST, "The body ended too early.") from None
            if takes_body:
                _check_media_type(request.headers.get("content-type", ""), allowed)
                if not body:
                    raise _malformed("The body is empty.")
                # Here, because FastAPI makes one error of all that it meets while it parses.
                await request.json()
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
            body = await self.body()
            if len(body) <= _INLINE_BYTES:
                self._json = parse_json(body)
            else:
                self._json = await run_in_threadpool(parse_json, body)
        return self._json


def _check_media_type(content_type: str, allowed: set[str]) -> None:
    essence, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if essence.strip().lower() not in allowed or charset not in {"", "charset=utf-8"}:
        detail = f"The body has to be {' or '.join(sorted(allowed))} in UTF-8."
        raise HttpProblem(UNSUPPORTED_MEDIA_TYPE, detail)


def parse_json(body: bytes) -> Any:
    """Without the input in the error.

    Raises:
        HttpProblem: `malformed-json`.
        InvalidInput: a string holds what cannot be stored.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed("The body is not UTF-8.") from None
    if text.count("[") + text.count("{") > MAX_DEPTH:
        _check_depth(text)
    try:
        value = (_EXACT if _SUSPECT_NUMBER.search(text) else _QUICK).decode(text)
    except json.JSONDecodeError as error:
        raise _malformed(f"The body is no JSON text, from character {error.pos} on.") from None
    if _SUSPECT_ESCAPE.search(text) or "\0" in text:
        _check_strings(value)
    return value


def _check_depth(text: str) -> None:
    """Takes the innermost pairs of brackets away, level by level, without a loop over tokens."""
    brackets = _NO_BRACKETS.sub("", _STRING.sub("", text)).replace("{", "[").replace("}", "]")
    for _ in range(MAX_DEPTH):
        outer = brackets.replace("[]", "")
        if len(outer) == len(brackets):
            break
        brackets = outer
    if brackets:
        raise _malformed(
            f"The body nests more than {MAX_DEPTH} levels, or its brackets do not match."
        )


def _check_strings(value: Any) -> None:
    """Well-formed JSON, but nothing that PostgreSQL and UTF-8 can hold."""
    for pointer, text in _strings(value, ""):
        if _UNSTORABLE.search(text):
            raise InvalidInput.at(pointer, "must hold no NUL and no lone surrogate")


def _strings(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Every string, and every name at the place of its object; the depth was checked before."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield pointer, name
            yield from _strings(member, f"{pointer}/{escape_pointer(name)}")
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _strings(element, f"{pointer}/{index}")


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        raise _malformed("A name occurs twice in one object.")
    return value


def _integer(digits: str) -> int:
    value = int(digits) if len(digits) <= _LONGEST_NUMBER else MAX_INTEGER + 1
    if abs(value) > MAX_INTEGER:
        raise _malformed("An integer is beyond 2^53 - 1, where readers lose digits.")
    return value


def _real(digits: str) -> float:
    value = float(digits) if len(digits) <= _LONGEST_NUMBER else math.inf
    if math.isinf(value):
        raise _malformed("A number is too large or too long.")
    return value


def _constant(_: str) -> Any:
    raise _malformed("NaN and Infinity are no JSON.")


def _malformed(detail: str) -> HttpProblem:
    return HttpProblem(MALFORMED_JSON, detail)


_QUICK = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
_EXACT = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_constant,
    parse_int=_integer,
    parse_float=_real,
)
"""For texts that may hold a number out of bounds: a call for each number takes its time."""
