"""An event of any form means the same request as the bytes that a server would have read."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from handler.http.client_address import UNKNOWN_ADDRESS, scope_client_address
from handler.http.exchange import Head
from handler.lambda_events import NormalisedRequest, normalise
from handler.lambda_forms import FORMS, form_of
from tests.support.api_gateway_events import http_api_1, http_api_2, rest_api
from tests.support.lambda_events import EVENT_BUILDERS, NotDelivered

each_form = pytest.mark.parametrize("form", EVENT_BUILDERS)

Pairs = list[tuple[str, str]]
CLIENT = "203.0.113.7"


def read(
    form: str, target: str = "/", *, method: str = "GET", headers: Pairs | None = None,
    body: bytes = b"",
) -> NormalisedRequest:  # fmt: skip
    event = EVENT_BUILDERS[form](method, target, headers or [], body)
    return normalise(json.loads(json.dumps(event)))


@each_form
def test_an_encoded_slash_stays_apart(form: str) -> None:
    """`%2F` inside a segment is not lost, but in HTTP APIs, which hand the path over decoded."""
    request = read(form, "/v1/users/a%2Fb%20%C3%A9?q=a%26b&q=%2F")
    slash = b"/" if form.startswith("http-api") else b"%2F"
    assert request.raw_path == b"/v1/users/a" + slash + b"b%20%C3%A9"
    assert request.path == "/v1/users/a/b \u00e9"
    values = ["%2F"] if form == "alb-single-value" else ["a%26b", "%2F"]
    assert request.query_string.decode() == "&".join(f"q={value}" for value in values)


@pytest.mark.parametrize(
    ("sent", "raw"),
    [
        ("/a%20b/%CE%BB", b"/a%20b/%CE%BB"),
        ("/a%3Fb", b"/a"),
        ("/a%23b", b"/a%23b"),
        ("/a%252Fb", b"/a/b"),
        ("/a%253Fb", b"/a%3Fb"),
        ("/a%2525b", b"/a%25b"),
        ("/a%252541", b"/a%2541"),
    ],
)
@pytest.mark.parametrize("build", [http_api_1, http_api_2])
def test_a_decoded_path_is_encoded_again(build: Any, sent: str, raw: bytes) -> None:
    """What an HTTP API has decoded is no syntax: `?`, `#` and `%` in it are characters. The cases
    are those that others captured from a deployed API."""
    assert normalise(build("GET", sent, [], b"")).raw_path == raw


@pytest.mark.parametrize("sent", ["/a%25done", "/a%zz"])
def test_a_stray_percent_is_refused_by_the_http_api(sent: str) -> None:
    """Such a request never reaches the function."""
    with pytest.raises(NotDelivered):
        http_api_2("GET", sent, [], b"")


@pytest.mark.parametrize("stage", ["$default", "prod", "a-b_1"])
@pytest.mark.parametrize("build", [http_api_1, http_api_2])
@pytest.mark.parametrize("path", ["/", "/v1/users/me", "/prod/x", "/production"])
def test_the_stage_is_no_part_of_the_path(build: Any, stage: str, path: str) -> None:
    """An HTTP API writes its stage in front of the path unless it is `$default`."""
    event = build("GET", path, [], b"")
    event["requestContext"]["stage"] = stage
    name = "rawPath" if "rawPath" in event else "path"
    event[name] = path if stage == "$default" else f"/{stage}{path}"
    assert normalise(event).path == path


@pytest.mark.parametrize("base", ["", "/id", "/id/v2", "/id/prod"])
@pytest.mark.parametrize("version", [None, "1.0"])
@pytest.mark.parametrize("path", ["/", "/v1/users/me", "/v1/users/a%2Fb/", "/prod", "/id"])
def test_a_base_path_mapping_is_no_part_of_the_path(
    base: str, version: str | None, path: str
) -> None:
    """A custom domain name's base path, and the stage behind it, are taken off again."""
    event = rest_api("GET", path, [], b"")
    event["path"] = base if base and path == "/" else base + path
    if version:
        event["version"] = version
        event["requestContext"]["stage"] = "$default"
    request = normalise(event)
    assert request.raw_path.decode() == (path if not version else path.replace("%", "%25"))


def test_an_unknown_resource_leaves_the_path() -> None:
    """Where the resource does not explain the path, nothing is taken off."""
    event = rest_api("GET", "/v1/users/me", [], b"")
    for resource, parameters in [("/{proxy+}", None), ("", None), ("/other", {"proxy": "me"})]:
        event |= {"resource": resource, "pathParameters": parameters}
        assert normalise(event).path == "/v1/users/me"
    event |= {"resource": "/v1/users/{id}", "path": "/base/v1/users/me"}
    assert normalise(event | {"pathParameters": {"id": "me"}}).path == "/v1/users/me"


def test_decoded_queries_are_encoded_again() -> None:
    """API Gateway's payload 1.0 has decoded parameters; a value may hold any character."""
    request = read("rest-api", "/?a%26=%3D%2B&b=c+d&a%26=%C3%A9&e")
    assert request.query_string == b"a%26=%3D%2B&a%26=%C3%A9&b=c%20d&e="


def test_the_console_sends_last_values_only() -> None:
    """API Gateway's test page leaves the fields of all values empty."""
    event = rest_api("GET", "/?a=1&a=2", [("Accept", "x")], b"")
    event |= {"multiValueHeaders": None, "multiValueQueryStringParameters": None}
    request = normalise(event)
    assert (request.query_string, request.headers) == (b"a=2", [(b"accept", b"x")])


def test_a_body_without_its_length_gets_one() -> None:
    """REST APIs drop Content-Length, by which large bodies are refused before they are read."""
    given = [("Content-Length", "3")]
    assert dict(read("rest-api", headers=given, body=b"abc").headers)[b"content-length"] == b"3"
    assert b"content-length" not in dict(
        read("rest-api", headers=[("Content-Length", "0")]).headers
    )


@each_form
@pytest.mark.parametrize("name", ["Authorization", "Host", "Idempotency-Key"])
def test_a_second_credential_is_not_hidden(form: str, name: str) -> None:
    """Two of a header that may come once are seen and refused, as lines or joined by a comma; an
    ALB with multi-value headers off shows the last one alone."""
    request = read(form, headers=[(name, "one"), ("Accept", "a"), (name.lower(), "two")])
    fault = Head.read(request.headers).fault
    if form == "alb-single-value":
        assert (fault, dict(request.headers)[name.lower().encode()]) == (None, b"two")
    else:
        assert fault == f"The header {name.lower()} was sent more than once."
    request = read(form, headers=[(name, "one"), ("Accept", "a"), ("Accept", "b")])
    assert Head.read(request.headers).fault is None


def test_of_several_faults_the_same_one_is_told() -> None:
    """Some events lose the order of headers: it must not choose the answer."""
    headers = [(b"x_a", b"1"), (b"host", b"a"), (b"host", b"b"), (b"content-type", b"a, b")]
    told = {Head.read(list(order)).fault for order in itertools.permutations(headers)}
    assert told == {"A header name holds an underscore."}


def test_a_second_credential_in_another_case_is_not_hidden() -> None:
    """A REST API keeps the case of names: lines that differ in it may be two members."""
    event = rest_api("GET", "/", [("Authorization", "one")], b"")
    event["multiValueHeaders"]["authorization"] = ["two"]
    fault = Head.read(normalise(event).headers).fault
    assert fault == "The header authorization was sent more than once."


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


@pytest.mark.parametrize("form", ["rest-api", "http-api-1.0", "function-url", "http-api-2.0"])
def test_without_a_load_balancer_the_peer_is_the_client(form: str) -> None:
    """Behind API Gateway and on a function URL nothing that X-Forwarded-For claims counts, whatever
    TRUSTED_PROXY_HOPS says: only the peer's address."""
    event = EVENT_BUILDERS[form]("GET", "/", [("X-Forwarded-For", CLIENT)], b"")
    for name in {"X-Forwarded-For", "x-forwarded-for"} & set(event["headers"]):
        event["headers"][name] = "6.6.6.6"
        if "multiValueHeaders" in event:
            event["multiValueHeaders"][name] = ["6.6.6.6"]
    assert (b"x-forwarded-for", b"6.6.6.6") in normalise(event).headers
    assert scope_client_address(normalise(event).scope(), 3) == CLIENT


@pytest.mark.parametrize("form", ["alb-multi-value", "alb-single-value"])
def test_behind_a_load_balancer_the_trusted_hop_tells(form: str) -> None:
    """An ALB appends the client to what was claimed; TRUSTED_PROXY_HOPS counts from there."""
    claimed = [("X-Forwarded-For", f"6.6.6.6, {CLIENT}, 10.0.0.1")]
    scope = read(form, headers=claimed).scope()
    assert [scope_client_address(scope, hops) for hops in (1, 2)] == ["10.0.0.1", CLIENT]
    assert scope_client_address(read(form).scope(), 1) == UNKNOWN_ADDRESS


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


@pytest.mark.parametrize("form", EVENT_BUILDERS)
def test_only_what_no_client_sent_may_lack_a_host(form: str) -> None:
    """The health check of a load balancer and the console's test page; elsewhere HTTP/1.1 wants
    one."""
    event = EVENT_BUILDERS[form]("GET", "/", [("Accept", "*/*")], b"")
    for name in ("headers", "multiValueHeaders"):
        for header in {"Host", "host"} & set(event.get(name) or {}):
            del event[name][header]
    hostless = form in {"alb-multi-value", "alb-single-value", "rest-api"}
    assert normalise(event).scope()["http_version"] == ("1.0" if hostless else "1.1")
    named = EVENT_BUILDERS[form]("GET", "/", [("Host", "a.example")], b"")
    assert normalise(named).scope()["http_version"] == "1.1"


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
