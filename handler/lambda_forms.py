"""The forms in which AWS hands an HTTP request to a function: how to know, read and answer each.

Decoding differs by form. An ALB and a function URL pass path and query on as the client sent
them, so a reader gives both raw, and `%2F` stays apart from `/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple, TypeVar

from handler.http.client_address import UNKNOWN_ADDRESS

Event = Mapping[str, Any]
TextHeaders = list[tuple[str, str]]
T = TypeVar("T")

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class UnknownEvent(ValueError):
    """No HTTP request in any form that is served here."""


class MalformedEvent(ValueError):
    """The form is known but a field is not what AWS documents: the answer is 400."""


class Fields(NamedTuple):
    """What a reader takes from its form, nothing checked but types."""

    method: str
    path: str
    query: str
    headers: Iterable[tuple[str, str]]
    peer: str
    trusted_hops: int | None


@dataclass(frozen=True, kw_only=True)
class EventForm:
    """`read` takes an event apart; `write` gives what the form wants beside status and body."""

    name: str
    recognises: Callable[[Event, Event], bool]
    read: Callable[[Event, Event], Fields]
    write: Callable[[int, TextHeaders], dict[str, Any]]


def field(container: Event, name: str, kind: type[T], absent: T) -> T:
    """A member of its documented type; AWS writes null for some that are absent."""
    value = container.get(name)
    if value is None:
        return absent
    if not isinstance(value, kind):
        raise MalformedEvent(f"{name} is malformed")
    return value


def _single(container: Event, name: str) -> Iterator[tuple[str, str]]:
    for key, value in field(container, name, dict, {}).items():
        if not isinstance(value, str):
            raise MalformedEvent(f"{name} is malformed")
        yield key, value


def _multiple(container: Event, name: str) -> Iterator[tuple[str, str]]:
    for key, values in field(container, name, dict, {}).items():
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise MalformedEvent(f"{name} is malformed")
        yield from ((key, value) for value in values)


def _is_alb_multi_value(event: Event, context: Event) -> bool:
    return "elb" in context and "multiValueHeaders" in event


def _read_alb_multi_value(event: Event, _context: Event) -> Fields:
    """Elastic Load Balancing user guide, "Use Lambda functions as targets".

    The load balancer does not decode query parameters. It has no address of its own here, and is
    a hop like any other: it appends the client to X-Forwarded-For as it does before a pod.
    """
    query = _multiple(event, "multiValueQueryStringParameters")
    return Fields(
        method=field(event, "httpMethod", str, ""),
        path=field(event, "path", str, ""),
        query="&".join(f"{name}={value}" for name, value in query),
        headers=_multiple(event, "multiValueHeaders"),
        peer=UNKNOWN_ADDRESS,
        trusted_hops=None,
    )


def _write_multi_value(status: int, headers: TextHeaders) -> dict[str, Any]:
    """`statusDescription` is the code and the phrase, separated by one space."""
    multiple: dict[str, list[str]] = {}
    for name, value in headers:
        multiple.setdefault(name, []).append(value)
    description = f"{status} {_PHRASES.get(status, 'Unknown')}"
    return {"statusDescription": description, "multiValueHeaders": multiple}


def _is_function_url(event: Event, context: Event) -> bool:
    """An HTTP API sends this payload version too, but decodes `rawPath`: the domain tells."""
    domain = context.get("domainName")
    return event.get("version") == "2.0" and isinstance(domain, str) and ".lambda-url." in domain


def _read_function_url(event: Event, context: Event) -> Fields:
    """AWS Lambda developer guide, "Invoking Lambda function URLs": payload format version 2.0.

    `rawPath` and `rawQueryString` come as sent. `sourceIp` is the peer of the TCP connection;
    nothing that we trust stands before it, so X-Forwarded-For is the client's own claim.
    """
    http = field(context, "http", dict, {})
    return Fields(
        method=field(http, "method", str, ""),
        path=field(event, "rawPath", str, ""),
        query=field(event, "rawQueryString", str, ""),
        headers=_version_2_headers(event),
        peer=field(http, "sourceIp", str, UNKNOWN_ADDRESS),
        trusted_hops=0,
    )


def _version_2_headers(event: Event) -> Iterator[tuple[str, str]]:
    """Version 2.0 joins repeated headers with commas and moves cookies into a list of their own."""
    cookies = field(event, "cookies", list, [])
    for name, value in _single(event, "headers"):
        if name.lower() != "cookie" or not cookies:
            yield name, value
    if not all(isinstance(cookie, str) for cookie in cookies):
        raise MalformedEvent("cookies is malformed")
    if cookies:
        yield "cookie", "; ".join(cookies)


def _write_version_2(_status: int, headers: TextHeaders) -> dict[str, Any]:
    """`Set-Cookie` cannot be joined with commas and has a list of its own."""
    joined: dict[str, str] = {}
    for name, value in headers:
        if name != "set-cookie":
            joined[name] = f"{joined[name]}, {value}" if name in joined else value
    cookies = [value for name, value in headers if name == "set-cookie"]
    return {"headers": joined, "cookies": cookies}


FORMS = (
    EventForm(
        name="alb-multi-value",
        recognises=_is_alb_multi_value,
        read=_read_alb_multi_value,
        write=_write_multi_value,
    ),
    EventForm(
        name="function-url",
        recognises=_is_function_url,
        read=_read_function_url,
        write=_write_version_2,
    ),
)
"""Every form that is served: how to know one, read one, and answer it."""


def form_of(event: object) -> EventForm:
    """The form of an event. Raises UnknownEvent."""
    if isinstance(event, Mapping):
        context = event.get("requestContext")
        for form in FORMS:
            if isinstance(context, Mapping) and form.recognises(event, context):
                return form
    known = ", ".join(form.name for form in FORMS)
    raise UnknownEvent(f"not an event of a form that is served here: {known}")
