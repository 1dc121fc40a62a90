"""Requests as each AWS service hands them to a function, and answers as the service reads them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.api_gateway_events import function_url, http_api_1, http_api_2, rest_api
from tests.support.event_parts import (
    Event,
    Headers,
    NotDelivered,
    body_by_type,
    grouped,
    lowered,
    raw_pairs,
)

__all__ = ["EVENT_BUILDERS", "Event", "EventBuilder", "Headers", "NotDelivered", "response_of"]

EventBuilder = Callable[[str, str, Headers, bytes], Event]

TARGET_GROUP = (
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/6d0ecf831eec9f09"
)


def behind_alb(headers: Headers, client: str) -> list[tuple[str, str]]:
    """The headers of a request after an ALB has handled them, for a pod and a function alike.

    Elastic Load Balancing user guide, "HTTP headers and Application Load Balancers": in the mode
    `append` the client's address goes to the end of X-Forwarded-For.
    """
    claimed = [value for name, value in headers if name.lower() == "x-forwarded-for"]
    kept = [(name, value) for name, value in headers if name.lower() != "x-forwarded-for"]
    return [
        *kept,
        ("X-Forwarded-For", ", ".join([*claimed, client])),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "443"),
        ("X-Amzn-Trace-Id", "Root=1-5bdb40ca-556d8b0c50dc66f0511bf520"),
    ]


def alb_multi_value(method: str, target: str, headers: Headers, body: bytes) -> Event:
    """Elastic Load Balancing user guide, "Use Lambda functions as targets", multi-value headers on.

    Header names arrive in lower case; neither path nor query are decoded; the body is base64 when
    there is a Content-Encoding, or the type is none of text/*, JSON, JavaScript and XML.
    """
    path, _, query = target.partition("?")
    return {
        "requestContext": {"elb": {"targetGroupArn": TARGET_GROUP}},
        "httpMethod": method,
        "path": path,
        "multiValueQueryStringParameters": grouped(raw_pairs(query)),
        "multiValueHeaders": grouped(lowered(headers)),
        **body_by_type(headers, body),
    }


def alb_single_value(method: str, target: str, headers: Headers, body: bytes) -> Event:
    """The same with multi-value headers off: of what comes twice, the last value."""
    path, _, query = target.partition("?")
    return {
        "requestContext": {"elb": {"targetGroupArn": TARGET_GROUP}},
        "httpMethod": method,
        "path": path,
        "queryStringParameters": dict(raw_pairs(query)),
        "headers": dict(lowered(headers)),
        **body_by_type(headers, body),
    }


EVENT_BUILDERS: Mapping[str, EventBuilder] = {
    "alb-multi-value": alb_multi_value,
    "alb-single-value": alb_single_value,
    "rest-api": rest_api,
    "http-api-1.0": http_api_1,
    "function-url": function_url,
    "http-api-2.0": http_api_2,
}
"""By the names of `handler.lambda_forms.FORMS`."""


def response_of(result: Any) -> tuple[int, list[tuple[str, str]], bytes]:
    """What a client gets from a function's answer; an AssertionError where AWS would answer 502."""
    assert isinstance(result, dict), "the answer is no JSON object"
    json.dumps(result)
    status, body = result["statusCode"], result.get("body", "")
    assert type(status) is int
    assert 200 <= status <= 599
    assert type(body) is str
    assert type(result["isBase64Encoded"]) is bool
    shape = set(result) - {"statusCode", "body", "isBase64Encoded"}
    if "statusDescription" in shape:
        assert result["statusDescription"].startswith(f"{status} ")
        shape.remove("statusDescription")
    if shape == {"multiValueHeaders"}:
        headers = [
            (name, each) for name, all_ in result["multiValueHeaders"].items() for each in all_
        ]
    elif shape == {"headers"}:
        headers = list(result["headers"].items())
    else:
        assert shape == {"headers", "cookies"}, "the answer is in no known form"
        headers = [
            *result["headers"].items(),
            *(("set-cookie", each) for each in result["cookies"]),
        ]
    assert all(type(name) is str and type(value) is str for name, value in headers)
    content = base64.b64decode(body, validate=True) if result["isBase64Encoded"] else body.encode()
    return status, [(name.lower(), value) for name, value in headers], content
