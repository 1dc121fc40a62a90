"""An event that AWS would never send is refused by name, and crashes nothing."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handler.lambda_events import normalise
from handler.lambda_forms import MalformedEvent, UnknownEvent
from tests.support.lambda_events import EVENT_BUILDERS

each_form = pytest.mark.parametrize("form", EVENT_BUILDERS)


AUTHORIZER = {
    "version": "2.0",
    "type": "REQUEST",
    "routeArn": "arn",
    "rawPath": "/a/b",
    "headers": {},
    "requestContext": {"domainName": "id.execute-api.us-east-1.amazonaws.com", "http": {}},
}
REST_AUTHORIZER = {
    "type": "REQUEST",
    "methodArn": "arn",
    "resource": "/a",
    "path": "/a",
    "httpMethod": "GET",
    "requestContext": {"identity": {}},
}
WEBSOCKET = {"requestContext": {"connectionId": "a", "eventType": "CONNECT"}, "headers": {}}


@pytest.mark.parametrize(
    "event",
    [
        None, [], "x", 1, {}, {"requestContext": None}, {"requestContext": []}, AUTHORIZER,
        REST_AUTHORIZER, REST_AUTHORIZER | {"version": "1.0"}, WEBSOCKET,
        {"Records": [{"eventSource": "aws:s3"}]}, {"httpMethod": "GET", "path": "/"},
        {"version": "3.0", "httpMethod": "GET", "resource": "/", "requestContext": {}},
        {"version": "2.0", "requestContext": {"domainName": 5}},
    ],
)  # fmt: skip
def test_another_event_is_refused_by_name(event: Any) -> None:
    """An event that is no request here is an error that names what would be one."""
    with pytest.raises(UnknownEvent, match=r"alb-multi-value, .*function-url"):
        normalise(event)


def spoiled(form: str, path: str, value: object) -> dict[str, Any]:
    event = EVENT_BUILDERS[form]("POST", "/a?b=c", [("A", "b"), ("Cookie", "c=d")], b"e")
    inner: Any = event
    *way, last = path.split(".")
    for step in way:
        inner = inner[step]
    inner[last] = value
    return event


BODY_WRONG: list[tuple[str, Any]] = [
    ("body", 1), ("body", {}), ("body", "\udfff"),
    ("isBase64Encoded", "true"), ("isBase64Encoded", 1),
]  # fmt: skip
METHOD_WRONG: list[tuple[str, Any]] = [
    ("httpMethod", None), ("httpMethod", 1), ("httpMethod", "GET\r\nX: y"), ("httpMethod", ""),
]  # fmt: skip
PATH_WRONG: list[tuple[str, Any]] = [
    ("path", 1), ("path", "nowhere"), ("path", "/a b"), ("path", "/a?b"), ("path", "/a\r\n"),
    ("path", "/\u00e9"), ("path", "*"), ("path", []),
]  # fmt: skip
MULTIPLE_WRONG: list[tuple[str, Any]] = [
    ("multiValueQueryStringParameters", []), ("multiValueQueryStringParameters", {"a": "b"}),
    ("multiValueQueryStringParameters", {"a": [1]}),
    ("multiValueHeaders", "x"), ("multiValueHeaders", {"a": None}),
    ("multiValueHeaders", {"a": ["b", 3]}), ("multiValueHeaders", {"a": ["b\r\nc: d"]}),
    ("multiValueHeaders", {"a b": ["c"]}), ("multiValueHeaders", {"": ["c"]}),
    ("multiValueHeaders", {"a": ["\ud800"]}), ("multiValueHeaders", {"\u00e9": ["c"]}),
]  # fmt: skip
SINGLE_WRONG: list[tuple[str, Any]] = [
    ("headers", []), ("headers", {"a": ["b"]}), ("headers", {"a": None}), ("headers", {"a\n": "b"}),
]  # fmt: skip
PAYLOAD_1_WRONG: list[tuple[str, Any]] = [
    ("multiValueQueryStringParameters", {"a": ["\ud800"]}),
    ("requestContext.identity", []), ("requestContext.identity.sourceIp", 4),
]  # fmt: skip
PAYLOAD_2_WRONG: list[tuple[str, Any]] = [
    ("requestContext.http.method", None), ("requestContext.http.sourceIp", 4),
    ("requestContext.http", None), ("requestContext.http", []),
    ("rawPath", 1), ("rawPath", "a"), ("rawQueryString", {}), ("rawQueryString", "a b"),
    ("cookies", "c=d"), ("cookies", [1]), ("cookies", ["a\r\nb: c"]),
]  # fmt: skip
HTTP_API_WRONG: list[tuple[str, Any]] = [("requestContext.stage", 1)]
WRONG = {
    "alb-multi-value": METHOD_WRONG + PATH_WRONG + MULTIPLE_WRONG + BODY_WRONG
    + [("multiValueQueryStringParameters", {"a b": ["c"]})],
    "alb-single-value": METHOD_WRONG + PATH_WRONG + SINGLE_WRONG + BODY_WRONG
    + [("queryStringParameters", {"a": ["b"]}), ("queryStringParameters", {"a": "b c"})],
    "rest-api": METHOD_WRONG + PATH_WRONG + MULTIPLE_WRONG + PAYLOAD_1_WRONG + BODY_WRONG
    + [("resource", 5), ("pathParameters", []), ("pathParameters", {"proxy": 1})],
    "http-api-1.0": METHOD_WRONG + MULTIPLE_WRONG + PAYLOAD_1_WRONG + HTTP_API_WRONG + BODY_WRONG
    + [("path", 1), ("path", "nowhere"), ("path", "/\ud800")],
    "function-url": PAYLOAD_2_WRONG + SINGLE_WRONG + BODY_WRONG + [("rawPath", "/a b")],
    "http-api-2.0": PAYLOAD_2_WRONG + SINGLE_WRONG + HTTP_API_WRONG + BODY_WRONG
    + [("rawPath", "/\ud800")],
}  # fmt: skip


@pytest.mark.parametrize(
    ("form", "path", "value"), [(form, *case) for form, cases in WRONG.items() for case in cases]
)
def test_a_malformed_event_is_a_refusal(form: str, path: str, value: Any) -> None:
    """What AWS would never send gets a 400 that repeats nothing of it, and crashes nothing."""
    with pytest.raises(MalformedEvent, match=r"^[A-Za-z0-9 ]+ is malformed$"):
        normalise(spoiled(form, path, value))


@pytest.mark.parametrize("text", ["e", "ee=e", "!!!!", "e30=\n", "e30", "\u00e9===", "ZQ==ZQ=="])
def test_invalid_base64_is_a_refusal(text: str) -> None:
    """A body that is no base64 is refused, not guessed at."""
    event = spoiled("alb-multi-value", "body", text) | {"isBase64Encoded": True}
    with pytest.raises(MalformedEvent, match="the body is malformed"):
        normalise(event)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
FIELDS = {form: sorted({path for path, _ in cases}) for form, cases in WRONG.items()}
FIELDS["alb-multi-value"].append("requestContext")
FIELDS["function-url"] += ["requestContext", "version"]


@each_form
@given(data=st.data())
def test_no_event_crashes_the_reader(form: str, data: st.DataObject) -> None:
    """Any JSON in any field is a request or one of the two refusals."""
    event = spoiled(form, data.draw(st.sampled_from(FIELDS[form])), data.draw(JSON))
    with contextlib.suppress(MalformedEvent, UnknownEvent):
        assert normalise(event).scope()["path"].startswith("/")
