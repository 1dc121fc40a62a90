"""An event of any form means the same request as the bytes that a server would have read."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from handler.http.client_address import scope_client_address
from handler.http.exchange import Head
from handler.http.protocol import BoundedHttpProtocol
from handler.lambda_events import NormalisedRequest, normalise, render
from handler.lambda_forms import FORMS, MalformedEvent, UnknownEvent, form_of
from tests.support.asgi_server import exchange, serving
from tests.support.lambda_events import EVENT_BUILDERS, behind_alb, response_of

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


HTTP_API = {
    "version": "2.0",
    "rawPath": "/a/b",
    "headers": {},
    "requestContext": {"domainName": "id.execute-api.us-east-1.amazonaws.com", "http": {}},
}


@pytest.mark.parametrize(
    "event",
    [
        None, [], "x", 1, {}, {"requestContext": None}, {"requestContext": []}, HTTP_API,
        {"Records": [{"eventSource": "aws:s3"}]}, {"httpMethod": "GET", "path": "/"},
        {"requestContext": {"elb": {}}, "headers": {}, "path": "/", "httpMethod": "GET"},
        {"version": "2.0", "requestContext": {"domainName": 5}},
    ],
)  # fmt: skip
def test_another_event_is_refused_by_name(event: Any) -> None:
    """An event that is no request here is an error that names what would be one."""
    with pytest.raises(UnknownEvent, match="alb-multi-value, function-url"):
        normalise(event)


def spoiled(form: str, path: str, value: object) -> dict[str, Any]:
    event = EVENT_BUILDERS[form]("POST", "/a?b=c", [("A", "b"), ("Cookie", "c=d")], b"e")
    inner: Any = event
    *way, last = path.split(".")
    for step in way:
        inner = inner[step]
    inner[last] = value
    return event


ALB_WRONG: list[tuple[str, Any]] = [
    ("httpMethod", None), ("httpMethod", 1), ("httpMethod", "GET\r\nX: y"), ("httpMethod", ""),
    ("path", 1), ("path", "nowhere"), ("path", "/a b"), ("path", "/a?b"), ("path", "/a\r\n"),
    ("path", "/\u00e9"), ("path", "*"), ("path", []),
    ("multiValueQueryStringParameters", []), ("multiValueQueryStringParameters", {"a": "b"}),
    ("multiValueQueryStringParameters", {"a": [1]}),
    ("multiValueQueryStringParameters", {"a b": ["c"]}),
    ("multiValueHeaders", "x"), ("multiValueHeaders", {"a": None}),
    ("multiValueHeaders", {"a": ["b", 3]}), ("multiValueHeaders", {"a": ["b\r\nc: d"]}),
    ("multiValueHeaders", {"a b": ["c"]}), ("multiValueHeaders", {"": ["c"]}),
    ("multiValueHeaders", {"a": ["\ud800"]}), ("multiValueHeaders", {"\u00e9": ["c"]}),
    ("body", 1), ("body", {}), ("body", "\udfff"),
    ("isBase64Encoded", "true"), ("isBase64Encoded", 1),
]  # fmt: skip
URL_WRONG: list[tuple[str, Any]] = [
    ("requestContext.http", None), ("requestContext.http", []),
    ("requestContext.http.method", None), ("requestContext.http.sourceIp", 4),
    ("rawPath", 1), ("rawPath", "a"), ("rawQueryString", {}), ("rawQueryString", "a b"),
    ("headers", []), ("headers", {"a": ["b"]}), ("headers", {"a": None}),
    ("headers", {"a\n": "b"}),
    ("cookies", "c=d"), ("cookies", [1]), ("cookies", ["a\r\nb: c"]),
    ("body", 1), ("isBase64Encoded", "x"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "path", "value"),
    [("alb-multi-value", *case) for case in ALB_WRONG]
    + [("function-url", *case) for case in URL_WRONG],
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
FIELDS = {
    "alb-multi-value": "httpMethod path multiValueQueryStringParameters multiValueHeaders body "
    "isBase64Encoded requestContext",
    "function-url": "rawPath rawQueryString headers cookies body isBase64Encoded version "
    "requestContext requestContext.http requestContext.http.sourceIp",
}


@each_form
@given(data=st.data())
def test_no_event_crashes_the_reader(form: str, data: st.DataObject) -> None:
    """Any JSON in any field is a request or one of the two refusals."""
    event = spoiled(form, data.draw(st.sampled_from(FIELDS[form].split())), data.draw(JSON))
    with contextlib.suppress(MalformedEvent, UnknownEvent):
        assert normalise(event).scope()["path"].startswith("/")


def answer(
    form: str, *, status: int = 200, kind: str = "application/json", body: bytes = b"{}",
    method: str = "GET", headers: Pairs | None = None,
) -> dict[str, Any]:  # fmt: skip
    pairs = [("content-type", kind), *(headers or [])]
    encoded = [(name.encode(), value.encode()) for name, value in pairs]
    (found,) = (each for each in FORMS if each.name == form)
    result = render(found, method=method, status=status, headers=encoded, body=body)
    back: dict[str, Any] = json.loads(json.dumps(result))
    return back


@each_form
@pytest.mark.parametrize(
    ("kind", "body", "plain"),
    [
        ("application/json", b"{}", True),
        ("application/problem+json", '{"a":"\u00e9"}'.encode(), True),
        ("Text/HTML; charset=utf-8", b"<p>", True),
        ("image/svg+xml", b"<svg/>", True),
        ("application/octet-stream", b"abc", False),
        ("image/png", b"\x89PNG", False),
        ("text/plain", b"\xff\xfe", False),
        ("", b"abc", False),
    ],
)
def test_text_goes_plain_and_the_rest_as_base64(
    form: str, kind: str, body: bytes, plain: bool
) -> None:
    """Every byte of an answer reaches the client; text stays readable in the event."""
    result = answer(form, kind=kind, body=body)
    assert result["isBase64Encoded"] is not plain
    assert response_of(result)[2] == body


@each_form
def test_a_compressed_text_is_no_text(form: str) -> None:
    """An encoded body goes as base64, whatever its type says."""
    result = answer(form, headers=[("content-encoding", "gzip")])
    assert (result["isBase64Encoded"], response_of(result)[2]) == (True, b"{}")


@each_form
def test_every_cookie_and_every_header_arrives(form: str) -> None:
    """Several Set-Cookie stay several (mangum issue 185); repeated headers keep all values."""
    cookies = [("set-cookie", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT"), ("set-cookie", "b=2")]
    sent = [*cookies, ("link", "<a>"), ("vary", "origin"), ("link", "<b>"), ("x-one", "1")]
    _, headers, _ = response_of(answer(form, headers=sent))
    assert [each for each in headers if each[0] == "set-cookie"] == cookies
    assert ", ".join(value for name, value in headers if name == "link") == "<a>, <b>"
    assert {("vary", "origin"), ("x-one", "1")} < set(headers)


@each_form
@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("HEAD", 404)]
)
def test_an_answer_without_body_has_none(form: str, method: str, status: int) -> None:
    """HEAD, 204 and 304 have no body (RFC 9110 section 6.4.1), but keep their headers."""
    result = answer(form, method=method, status=status, kind="a/b", headers=[("etag", '"7"')])
    assert response_of(result)[0] == status
    assert (result["body"], result["isBase64Encoded"]) == ("", False)
    assert ("etag", '"7"') in response_of(result)[1]


@each_form
def test_headers_of_a_connection_stay_behind(form: str) -> None:
    """A function has no connection to its client to say anything about."""
    _, headers, _ = response_of(answer(form, headers=[("connection", "close"), ("x", "y")]))
    assert [name for name, _ in headers] == ["content-type", "x"]


def test_a_load_balancer_gets_a_description() -> None:
    """The ALB wants code and phrase in `statusDescription`."""
    assert answer("alb-multi-value", status=404)["statusDescription"] == "404 Not Found"
    assert answer("alb-multi-value", status=299)["statusDescription"] == "299 Unknown"


def test_the_scope_is_an_asgi_scope() -> None:
    """A fresh scope a call: what one request writes into it no other one sees."""
    request = read("alb-multi-value", headers=[("Accept", "a")])
    first, second = request.scope(), request.scope()
    first["headers"].append((b"x", b"y"))
    first["state"]["a"] = 1
    assert (second["headers"], second["state"]) == ([(b"accept", b"a")], {})
