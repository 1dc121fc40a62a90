"""Payload format version 1.0 of API Gateway: REST APIs, and HTTP APIs that are set to it.

The peer's address in `identity.sourceIp` is the client in both; nothing that we trust stands before
it, so X-Forwarded-For is the client's own claim.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from handler.http.client_address import UNKNOWN_ADDRESS
from handler.lambda_forms.encoding import (
    encoded_path,
    encoded_query,
    without_base_path,
    without_stage,
)
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


def _is_rest_api(event: Event, _context: Event) -> bool:
    return _is_request(event) and "version" not in event


def _is_http_api(event: Event, _context: Event) -> bool:
    return _is_request(event) and event.get("version") == "1.0"


def _is_request(event: Event) -> bool:
    """Not what a Lambda authorizer is asked: that has the same fields and a `type`."""
    return "httpMethod" in event and "resource" in event and "type" not in event


def _read_rest_api(event: Event, context: Event) -> Fields:
    """API Gateway developer guide, "Lambda proxy integrations in API Gateway", and "Use a custom
    domain name for public REST APIs".

    `path` comes as sent, but the query decoded. The stage stands in `requestContext.path` only; a
    base path mapping stands in `path` too, and is taken off.
    """
    return _fields(event, context, _below_mapping(event, field(event, "path", str, "")))


def _read_http_api(event: Event, context: Event) -> Fields:
    """API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs": 1.0.

    `path` comes decoded, twice, with the stage in front unless it is `$default`.
    """
    path = field(event, "path", str, "")
    below = without_stage(path, field(context, "stage", str, ""))
    if below == path:
        below = _below_mapping(event, path)
    return _fields(event, context, encoded_path(below))


def _below_mapping(event: Event, path: str) -> str:
    parameters = dict(single(event, "pathParameters"))
    below = without_base_path(path, field(event, "resource", str, ""), parameters)
    return path if below is None else below


def _fields(event: Event, context: Event, path: str) -> Fields:
    identity = field(context, "identity", dict, {})
    query = _either(event, "multiValueQueryStringParameters", "queryStringParameters")
    return Fields(
        method=field(event, "httpMethod", str, ""),
        path=path,
        query=encoded_query(query),
        headers=_either(event, "multiValueHeaders", "headers"),
        peer=field(identity, "sourceIp", str, UNKNOWN_ADDRESS),
        trusted_hops=0,
    )


def _either(event: Event, all_values: str, last_values: str) -> Iterable[tuple[str, str]]:
    """Every value; the console's test page fills only the field of last values."""
    if event.get(all_values) is None:
        return single(event, last_values)
    return multiple(event, all_values)


def _write(_status: int, headers: TextHeaders) -> dict[str, Any]:
    """Any other member, as an ALB's `statusDescription`, would make it a malformed answer (502)."""
    return {"multiValueHeaders": grouped(headers)}


REST_API = EventForm(
    name="rest-api",
    may_lack_host=True,  # the test page of the console
    recognises=_is_rest_api,
    read=_read_rest_api,
    write=_write,
)
HTTP_API_1 = EventForm(
    name="http-api-1.0", recognises=_is_http_api, read=_read_http_api, write=_write
)
