"""An answer reaches the client whole, in the form of the event that asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from handler.lambda_events import render
from handler.lambda_forms import FORMS
from tests.support.lambda_events import EVENT_BUILDERS, response_of

each_form = pytest.mark.parametrize("form", EVENT_BUILDERS)

Pairs = list[tuple[str, str]]


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


@pytest.mark.parametrize("form", ["alb-multi-value", "alb-single-value"])
def test_a_load_balancer_gets_a_description(form: str) -> None:
    """The ALB wants code and phrase in `statusDescription`."""
    assert answer(form, status=404)["statusDescription"] == "404 Not Found"
    assert answer(form, status=299)["statusDescription"] == "299 Unknown"


MEMBERS = {
    "alb-multi-value": {"statusDescription", "multiValueHeaders"},
    "alb-single-value": {"statusDescription", "headers"},
    "rest-api": {"multiValueHeaders"},
    "http-api-1.0": {"multiValueHeaders"},
    "function-url": {"headers", "cookies"},
    "http-api-2.0": {"headers", "cookies"},
}


@each_form
def test_an_answer_has_the_members_of_its_form(form: str) -> None:
    """A REST API answers 502 for any member that it does not know."""
    members = set(answer(form, headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")]))
    assert members == MEMBERS[form] | {"statusCode", "isBase64Encoded", "body"}


def test_cookies_in_single_values_differ_in_case() -> None:
    """Without multi-value headers each Set-Cookie needs a spelling; 512 are more than enough."""
    cookies = [("set-cookie", f"c{number}=1") for number in range(20)]
    headers = answer("alb-single-value", headers=cookies)["headers"]
    assert headers["set-cookie"] == "c0=1"
    assert len({name for name in headers if name.lower() == "set-cookie"}) == 20
