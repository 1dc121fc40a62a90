"""Payload format version 2.0: HTTP APIs of API Gateway, and function URLs.

`sourceIp` is the peer of the TCP connection in both; nothing that we trust stands before it, so
X-Forwarded-For is the client's own claim.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from handler.http.client_address import UNKNOWN_ADDRESS
from handler.lambda_forms.encoding import encoded_path, without_stage
from handler.lambda_forms.event import (
    Event,
    EventForm,
    Fields,
    MalformedEvent,
    TextHeaders,
    field,
    grouped,
    single,
)


def _is_version_2(event: Event, context: Event) -> bool:
    """Not what a Lambda authorizer is asked: that has the same fields and a `type`."""
    return event.get("version") == "2.0" and "http" in context and "type" not in event


def _is_function_url(event: Event, context: Event) -> bool:
    domain = context.get("domainName")
    return _is_version_2(event, context) and isinstance(domain, str) and ".lambda-url." in domain


def _read_function_url(event: Event, context: Event) -> Fields:
    """AWS Lambda developer guide, "Invoking Lambda function URLs".

    `rawPath` and `rawQueryString` come as sent.
    """
    return _fields(event, context, field(event, "rawPath", str, ""))


def _read_http_api(event: Event, context: Event) -> Fields:
    """API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs": 2.0.

    `rawQueryString` comes as sent; `rawPath` comes decoded, twice, with the stage in front unless
    it is `$default`, and without the mapping of a custom domain name.
    """
    path = without_stage(field(event, "rawPath", str, ""), field(context, "stage", str, ""))
    return _fields(event, context, encoded_path(path))


def _fields(event: Event, context: Event, path: str) -> Fields:
    http = field(context, "http", dict, {})
    return Fields(
        method=field(http, "method", str, ""),
        path=path,
        query=field(event, "rawQueryString", str, ""),
        headers=_headers(event),
        peer=field(http, "sourceIp", str, UNKNOWN_ADDRESS),
        trusted_hops=0,
    )


def _headers(event: Event) -> Iterator[tuple[str, str]]:
    """Version 2.0 joins repeated headers with commas and moves cookies into a list of their own."""
    cookies = field(event, "cookies", list, [])
    for name, value in single(event, "headers"):
        if name.lower() != "cookie" or not cookies:
            yield name, value
    if not all(isinstance(cookie, str) for cookie in cookies):
        raise MalformedEvent("cookies is malformed")
    if cookies:
        yield "cookie", "; ".join(cookies)


def _write(_status: int, headers: TextHeaders) -> dict[str, Any]:
    """`Set-Cookie` cannot be joined with commas and has a list of its own."""
    values = grouped(headers)
    cookies = values.pop("set-cookie", [])
    return {
        "headers": {name: ", ".join(each) for name, each in values.items()},
        "cookies": cookies,
    }


FUNCTION_URL = EventForm(
    name="function-url", recognises=_is_function_url, read=_read_function_url, write=_write
)
HTTP_API_2 = EventForm(
    name="http-api-2.0", recognises=_is_version_2, read=_read_http_api, write=_write
)
