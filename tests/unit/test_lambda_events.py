"""An event of any form means the same request as the bytes that a server would have read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from handler.http.client_address import scope_client_address
from handler.http.exchange import Head
from handler.http.protocol import BoundedHttpProtocol
from handler.lambda_events import NormalisedRequest, normalise
from handler.lambda_forms import FORMS, form_of
from tests.support.asgi_server import exchange, serving
from tests.support.lambda_events import EVENT_BUILDERS, behind_alb

each_form = pytest.mark.parametrize("form", EVENT_BUILDERS)

Pairs = list[tuple[str, str]]
CLIENT = "203.0.113.7"


def read(
    form: str, target: str = "/", *, method: str = "GET", headers: Pairs | None = None,
    body: bytes = b"",
) -> NormalisedRequest:  # fmt: skip
    event = EVENT_BUILDERS[form](method, target, headers or [], body)
    return normalise(json.loads(json.dumps(event)))


class Recorder:
    """Keeps the last scope and body that the server built."""

    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, Any], bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.seen.append((dict(scope), body))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture(scope="module")
def port(recorder: Recorder) -> Iterator[int]:
    with serving(recorder, BoundedHttpProtocol) as number:
        yield number


def comparable(form: str, scope: dict[str, Any]) -> dict[str, Any]:
    """The scope without what the form cannot carry: the order between names, or between lines."""
    grouped: dict[bytes, list[bytes]] = {}
    for name, value in scope["headers"]:
        parts = (
            value.split(b"," if name != b"cookie" else b";") if form == "function-url" else [value]
        )
        grouped.setdefault(name, []).extend(part.strip() for part in parts)
    query = scope["query_string"]
    if form == "alb-multi-value":
        query = sorted(query.split(b"&"), key=lambda pair: bytes(pair.partition(b"=")[0]))
    kept = {key: value for key, value in scope.items() if not key.startswith("user_api")}
    address = scope_client_address(scope, 1)
    return kept | {"headers": grouped, "query_string": query, "client": address, "server": None}


PATHS = st.lists(
    st.sampled_from(["%2F", "%2f", "%20", "%C3%A9", "%FF", "%00", "%zz", "..", *"aZ0//.%+~@:;=&"])
    | st.sampled_from("'()*!$,|^`{}<>\"\\[]"),
    max_size=8,
).map(lambda parts: "/" + "".join(parts))
WORDS = st.text("aZ09%+-_.~/?:@!$'()*,;", max_size=8)
QUERIES = st.lists(st.tuples(WORDS, st.text("aZ%+=?/", max_size=8)), max_size=5).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)
VALUES = st.text("aZ0 \t,;:=\"'()é\u20ac", max_size=12).map(str.strip)
HEADERS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["X-A", "x-a", "Accept", "Authorization", "If-Match", "X_B", "Host"]),
            VALUES,
        ),
        st.tuples(st.just("Cookie"), st.just("a=1; b=2")),
        st.tuples(st.just("X-Forwarded-For"), st.sampled_from(["6.6.6.6", "junk", "::1, 2.2.2.2"])),
        st.tuples(st.just("Content-Type"), st.sampled_from(["application/json", "image/png"])),
    ),
    max_size=6,
)


def as_sent(method: str, target: str, headers: Pairs, body: bytes) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode() + body


@each_form
@settings(deadline=None, max_examples=150)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    path=PATHS,
    query=QUERIES,
    headers=HEADERS,
    body=st.binary(max_size=64),
)
def test_an_event_is_the_request_that_a_server_reads(
    port: int, recorder: Recorder, form: str, method: str, path: str, query: str,
    headers: Pairs, body: bytes,
) -> None:  # fmt: skip
    """uvicorn, given the bytes, and we, given the event, build one scope and see one client."""
    target = path + ("?" + query if query else "")
    headers = [*headers, ("Content-Length", str(len(body))), ("Connection", "close")]
    headers = behind_alb(headers, CLIENT)
    recorder.seen.clear()
    answer = exchange(port, as_sent(method, target, headers, body))
    assume(answer.startswith(b"HTTP/1.1 204"))
    ((scope, received),) = recorder.seen
    request = read(form, target, method=method, headers=headers, body=body)
    assert comparable(form, request.scope()) == comparable(form, scope)
    assert request.body == received


@each_form
def test_an_encoded_slash_stays_apart(form: str) -> None:
    """`%2F` inside a segment is not lost in the raw path, and the decoded path is as uvicorn's."""
    request = read(form, "/v1/users/a%2Fb%20%C3%A9?q=a%26b&q=%2F")
    assert request.raw_path == b"/v1/users/a%2Fb%20%C3%A9"
    assert request.path == "/v1/users/a/b \u00e9"
    assert request.query_string == b"q=a%26b&q=%2F"


@each_form
@pytest.mark.parametrize("name", ["Authorization", "Host", "Idempotency-Key"])
def test_a_second_credential_is_not_hidden(form: str, name: str) -> None:
    """Two of a header that may come once are seen and refused, as lines or joined by a comma."""
    request = read(form, headers=[(name, "one"), ("Accept", "a"), (name.lower(), "two")])
    assert Head.read(request.headers).fault == f"The header {name.lower()} was sent more than once."
    request = read(form, headers=[(name, "one"), ("Accept", "a"), ("Accept", "b")])
    assert Head.read(request.headers).fault is None


@each_form
def test_cookies_come_as_one_header(form: str) -> None:
    """Cookies are read back as the client sent them."""
    request = read(form, headers=[("Cookie", "a=1; b=2"), ("Accept", "*/*")])
    assert dict(request.headers)[b"cookie"] == b"a=1; b=2"


def test_cookies_do_not_come_twice() -> None:
    """A service that leaves the cookie header beside the list of cookies doubles nothing."""
    event = EVENT_BUILDERS["function-url"]("GET", "/", [("Cookie", "a=1")], b"")
    event["headers"]["cookie"] = "a=1"
    assert normalise(event).headers == [(b"cookie", b"a=1")]


def test_header_names_are_in_lower_case() -> None:
    """Names are compared in lower case and values come without the space around them (ASGI 3)."""
    event = EVENT_BUILDERS["alb-multi-value"]("GET", "/", [], b"")
    event["multiValueHeaders"] = {"X-Request-ID": [" abc\t"]}
    assert normalise(event).headers == [(b"x-request-id", b"abc")]


@each_form
@pytest.mark.parametrize("encoding", [None, "gzip"])
@pytest.mark.parametrize("body", [b"", b'{"a":"\xc3\xa9"}', b"\x00\xff\xfe"])
def test_a_body_is_the_same_plain_or_base64(form: str, body: bytes, encoding: str | None) -> None:
    """Whether AWS sends a body as text or as base64, its bytes are the client's."""
    headers = [("Content-Type", "application/json")]
    headers += [("Content-Encoding", encoding)] if encoding else []
    assert read(form, method="POST", headers=headers, body=body).body == body


def test_a_function_url_is_asked_by_its_peer() -> None:
    """On a function URL nothing that X-Forwarded-For claims counts: only the peer's address."""
    event = EVENT_BUILDERS["function-url"]("GET", "/", [("X-Forwarded-For", CLIENT)], b"")
    event["headers"]["x-forwarded-for"] = "6.6.6.6"
    assert scope_client_address(normalise(event).scope(), 3) == CLIENT


def test_the_load_balancers_health_check_is_a_request() -> None:
    """The ALB's health check of a function has no header but its user agent."""
    event = {
        "requestContext": {"elb": {"targetGroupArn": "arn"}},
        "httpMethod": "GET",
        "path": "/health/ready",
        "multiValueQueryStringParameters": {},
        "multiValueHeaders": {"user-agent": ["ELB-HealthChecker/2.0"]},
        "body": "",
        "isBase64Encoded": False,
    }
    request = normalise(event)
    assert (request.raw_path, request.headers) == (
        b"/health/ready",
        [(b"user-agent", b"ELB-HealthChecker/2.0")],
    )


def test_every_form_has_its_builder() -> None:
    """No form is served that the suites cannot make."""
    assert list(EVENT_BUILDERS) == [form.name for form in FORMS]
    assert [form_of(builder("GET", "/", [], b"")).name for builder in EVENT_BUILDERS.values()] == [
        form.name for form in FORMS
    ]


def test_the_scope_is_an_asgi_scope() -> None:
    """A fresh scope a call: what one request writes into it no other one sees."""
    request = read("alb-multi-value", headers=[("Accept", "a")])
    first, second = request.scope(), request.scope()
    first["headers"].append((b"x", b"y"))
    first["state"]["a"] = 1
    assert (second["headers"], second["state"]) == ([(b"accept", b"a")], {})
