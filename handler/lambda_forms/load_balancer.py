"""Application Load Balancers, with multi-value headers on and off."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from http import HTTPStatus
from itertools import product
from typing import Any

from handler.http.client_address import UNKNOWN_ADDRESS
from handler.lambda_forms.event import (
    Event,
    EventForm,
    Fields,
    TextHeaders,
    field,
    grouped,
    multiple,
    single,
)

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


def _is_multi_value(event: Event, context: Event) -> bool:
    return "elb" in context and event.get("multiValueHeaders") is not None


def _read_multi_value(event: Event, _context: Event) -> Fields:
    return _fields(
        event,
        query=multiple(event, "multiValueQueryStringParameters"),
        headers=multiple(event, "multiValueHeaders"),
    )


def _is_single_value(_event: Event, context: Event) -> bool:
    return "elb" in context


def _read_single_value(event: Event, _context: Event) -> Fields:
    """With multi-value headers off "the load balancer uses the last value sent by the client", of
    headers as of query parameters: a second Authorization or Host cannot be seen.
    """
    return _fields(
        event,
        query=single(event, "queryStringParameters"),
        headers=single(event, "headers"),
    )


def _fields(
    event: Event, *, query: Iterable[tuple[str, str]], headers: Iterable[tuple[str, str]]
) -> Fields:
    """Elastic Load Balancing user guide, "Use Lambda functions as targets".

    The load balancer does not decode path or query parameters. It has no address of its own here,
    and is a hop like any other: it appends the client to X-Forwarded-For as it does before a pod.
    """
    return Fields(
        method=field(event, "httpMethod", str, ""),
        path=field(event, "path", str, ""),
        query="&".join(f"{name}={value}" for name, value in query),
        headers=headers,
        peer=UNKNOWN_ADDRESS,
        trusted_hops=None,
    )


def _write_multi_value(status: int, headers: TextHeaders) -> dict[str, Any]:
    return {"statusDescription": _description(status), "multiValueHeaders": grouped(headers)}


def _write_single_value(status: int, headers: TextHeaders) -> dict[str, Any]:
    """One value a name. `Set-Cookie` cannot be joined with commas: each has a spelling of its own,
    as in other adapters; AWS promises only one, and multi-value headers are the cure.
    """
    written: dict[str, str] = {}
    for name, values in grouped(headers).items():
        if name == "set-cookie":
            written |= dict(zip(_spellings(name), values, strict=False))
        else:
            written[name] = ", ".join(values)
    return {"statusDescription": _description(status), "headers": written}


def _description(status: int) -> str:
    """The code and the phrase, separated by one space."""
    return f"{status} {_PHRASES.get(status, 'Unknown')}"


def _spellings(name: str) -> Iterator[str]:
    """The name in lower case first, then in every other mixture of cases."""
    choices = [(each, each.upper()) if each.isalpha() else (each,) for each in name]
    return ("".join(letters) for letters in product(*choices))


ALB_MULTI_VALUE = EventForm(
    name="alb-multi-value",
    may_lack_host=True,  # the health check of a function
    recognises=_is_multi_value,
    read=_read_multi_value,
    write=_write_multi_value,
)
ALB_SINGLE_VALUE = EventForm(
    name="alb-single-value",
    may_lack_host=True,
    recognises=_is_single_value,
    read=_read_single_value,
    write=_write_single_value,
)
