"""Requests as API Gateway and function URLs hand them to a function.

Both APIs are deployed to a stage `prod`, called by their own address. What AWS's pages leave open
(decoding, the case of names, what is dropped) follows captures that others published of one
deployment behind all services in July 2026.
"""

from __future__ import annotations

from tests.support.event_parts import (
    Event,
    Headers,
    NotDelivered,
    binary_body,
    body_by_type,
    decoded_pairs,
    grouped,
    lowered,
    path_of_an_http_api,
    peer_of,
)

STAGE = "prod"
API = "a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
FUNCTION_URL = "abcdefghijklmnop.lambda-url.us-east-1.on.aws"

_QUERY = ("queryStringParameters", "multiValueQueryStringParameters")


def rest_api(method: str, target: str, headers: Headers, body: bytes) -> Event:
    """API Gateway developer guide, "Lambda proxy integrations in API Gateway", with the resources
    `/` and `/{proxy+}` and the binary media type `*/*`.

    The path is not decoded, the query is; Content-Length is dropped; names keep their case, here
    that of the first line. "Amazon API Gateway important notes": `;` separates parameters, and
    `|{}` have to be encoded.
    """
    path, _, query = target.partition("?")
    if any(each in query for each in "|{}"):
        raise NotDelivered("the query holds | or a brace")
    spelled = {name.lower(): name for name, _ in reversed(headers)}
    kept = [(spelled[name], value) for name, value in lowered(headers) if name != "content-length"]
    at_root = not path.strip("/")
    return {
        "resource": "/" if at_root else "/{proxy+}",
        "path": path,
        "httpMethod": method,
        **_both_fields("headers", "multiValueHeaders", grouped(kept)),
        **_both_fields(*_QUERY, grouped(decoded_pairs(query, "&;"))),
        "pathParameters": None if at_root else {"proxy": path[1:]},
        "stageVariables": None,
        "requestContext": {
            **_context(API, peer_of(headers), dict(lowered(headers)).get("user-agent")),
            "httpMethod": method,
            "path": f"/{STAGE}{path}",
            "resourcePath": "/" if at_root else "/{proxy+}",
        },
        **(binary_body(body) if body else {"body": None, "isBase64Encoded": False}),
    }


def http_api_1(method: str, target: str, headers: Headers, body: bytes) -> Event:
    """API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs": 1.0, with
    the route `$default`. Names are in lower case, and the path is decoded.
    """
    path, _, query = target.partition("?")
    decoded = f"/{STAGE}{path_of_an_http_api(path)}"
    return {
        "version": "1.0",
        "resource": "$default",
        "path": decoded,
        "httpMethod": method,
        **_both_fields("headers", "multiValueHeaders", grouped(lowered(headers))),
        **_both_fields(*_QUERY, grouped(decoded_pairs(query))),
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            **_context(API, peer_of(headers), dict(lowered(headers)).get("user-agent")),
            "httpMethod": method,
            "path": decoded,
            "resourcePath": "$default",
        },
        **(body_by_type(headers, body) if body else {"body": None, "isBase64Encoded": False}),
    }


def http_api_2(method: str, target: str, headers: Headers, body: bytes) -> Event:
    """API Gateway developer guide, "Create AWS Lambda proxy integrations for HTTP APIs": 2.0, with
    the route `$default`. The path is decoded, cookies are in a list only.
    """
    path, _, query = target.partition("?")
    decoded = f"/{STAGE}{path_of_an_http_api(path)}"
    event = _version_2(method, decoded, query, headers, body)
    event["requestContext"] |= {"domainName": API, "stage": STAGE}
    event["headers"].pop("cookie", None)
    return event


def function_url(method: str, target: str, headers: Headers, body: bytes) -> Event:
    """AWS Lambda developer guide, "Invoking Lambda function URLs": payload format version 2.0.

    Neither path nor query are decoded; cookies are in a list and among the headers.
    """
    path, _, query = target.partition("?")
    event = _version_2(method, path, query, headers, body)
    event["requestContext"] |= {"domainName": FUNCTION_URL, "stage": "$default"}
    return event


def _version_2(method: str, path: str, query: str, headers: Headers, body: bytes) -> Event:
    """Repeated headers are joined with commas; `queryStringParameters` is decoded."""
    values = grouped(lowered(headers))
    cookies = [each.strip() for line in values.get("cookie", []) for each in line.split(";")]
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {name: ",".join(each) for name, each in values.items()},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": peer_of(headers),
                "userAgent": ",".join(values.get("user-agent", [])),
            },
            "requestId": "e1506fd5-9e7b-434f-bd42-4f8fa224b599",
            "routeKey": "$default",
            "time": "07/Sep/2021:22:50:22 +0000",
            "timeEpoch": 1631055022677,
        },
        **body_by_type(headers, body),
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = {
            name: ",".join(each) for name, each in grouped(decoded_pairs(query)).items()
        }
    if not body:
        del event["body"]
    return event


def _both_fields(last: str, every: str, values: dict[str, list[str]]) -> Event:
    """The last value of each name, and all of them; null for none."""
    return {last: {name: each[-1] for name, each in values.items()} or None, every: values or None}


def _context(domain: str, source: str, agent: str | None) -> Event:
    return {
        "accountId": "123456789012",
        "apiId": domain.partition(".")[0],
        "domainName": domain,
        "domainPrefix": domain.partition(".")[0],
        "extendedRequestId": "JKJaXmPLvHcESHA=",
        "identity": {"sourceIp": source, "user": None, "userAgent": agent, "userArn": None},
        "protocol": "HTTP/1.1",
        "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        "requestTime": "09/Apr/2015:12:34:56 +0000",
        "requestTimeEpoch": 1428582896000,
        "stage": STAGE,
    }
