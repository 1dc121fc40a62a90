"""Requests as each AWS service hands them to a function, and its answers as the service reads them.

What the pages named below leave open follows events that others captured and published: ALB and
function URLs leave percent-encoding alone, in the path as in the query.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

Headers = Sequence[tuple[str, str]]
Event = dict[str, Any]
EventBuilder = Callable[[str, str, Headers, bytes], Event]

TARGET_GROUP = (
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/api/6d0ecf831eec9f09"
)
FUNCTION_URL = "abcdefghijklmnop.lambda-url.us-east-1.on.aws"

_PLAIN = ("text/", "application/json", "application/javascript", "application/xml")


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

    Header names arrive in lower case; query parameters are not decoded; the body is base64 when
    there is a Content-Encoding, or the type is none of text/*, JSON, JavaScript and XML.
    """
    path, _, query = target.partition("?")
    return {
        "requestContext": {"elb": {"targetGroupArn": TARGET_GROUP}},
        "httpMethod": method,
        "path": path,
        "multiValueQueryStringParameters": _grouped(_pairs(query)),
        "multiValueHeaders": _grouped((name.lower(), value) for name, value in headers),
        **_body(headers, body),
    }


def function_url(method: str, target: str, headers: Headers, body: bytes) -> Event:
    """AWS Lambda developer guide, "Invoking Lambda function URLs": payload format version 2.0.

    Repeated headers are joined with commas, cookies move to a list; `sourceIp` is the peer, here
    the last entry of X-Forwarded-For, which the service writes too. `queryStringParameters` is
    decoded, `rawQueryString` is not.
    """
    path, _, query = target.partition("?")
    grouped = _grouped(_lowered(headers))
    cookies = [each.strip() for line in grouped.pop("cookie", []) for each in line.split(";")]
    joined = {name: ",".join(values) for name, values in grouped.items()}
    source = joined.get("x-forwarded-for", "192.0.2.1").rpartition(",")[2].strip()
    decoded = _grouped((unquote_plus(name), unquote_plus(value)) for name, value in _pairs(query))
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": joined,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": FUNCTION_URL.partition(".")[0],
            "domainName": FUNCTION_URL,
            "domainPrefix": FUNCTION_URL.partition(".")[0],
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": source,
                "userAgent": joined.get("user-agent", ""),
            },
            "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
            "routeKey": "$default",
            "stage": "$default",
            "time": "07/Sep/2021:22:50:22 +0000",
            "timeEpoch": 1631055022677,
        },
        **_body(headers, body),
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = {
            name: ",".join(values) for name, values in decoded.items()
        }
    if not body:
        del event["body"]
    return event


EVENT_BUILDERS: Mapping[str, EventBuilder] = {
    "alb-multi-value": alb_multi_value,
    "function-url": function_url,
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
    if "multiValueHeaders" in result:
        assert result["statusDescription"].startswith(f"{status} ")
        headers = [
            (name, each) for name, all_ in result["multiValueHeaders"].items() for each in all_
        ]
    else:
        headers = [
            *result["headers"].items(),
            *(("set-cookie", each) for each in result["cookies"]),
        ]
    assert all(type(name) is str and type(value) is str for name, value in headers)
    content = base64.b64decode(body, validate=True) if result["isBase64Encoded"] else body.encode()
    return status, [(name.lower(), value) for name, value in headers], content


def _lowered(headers: Headers) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in headers]


def _pairs(query: str) -> Iterable[tuple[str, str]]:
    for piece in query.split("&"):
        name, _, value = piece.partition("=")
        if piece:
            yield name, value


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _body(headers: Headers, body: bytes) -> Event:
    given = dict(_lowered(headers))
    plain = given.get("content-type", "").lower().startswith(_PLAIN)
    if not body or (plain and "content-encoding" not in given):
        try:
            return {"body": body.decode(), "isBase64Encoded": False}
        except UnicodeDecodeError:
            pass
    return {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
