"""Headers: which requests are refused for theirs, and what each answer carries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from handler.http.exchange import exchange_of
from tests.support.http_layers import build, get, wrapped
from tests.support.http_probe import Headers, answer


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer a"), ("authorization", "Bearer a")],
        [("authorization", "Bearer a,Bearer b")],
        [("host", "a"), ("host", "b")],
        [("content-type", "application/json"), ("content-type", "text/plain")],
        [("idempotency-key", "a"), ("idempotency-key", "b")],
        [("x_forwarded_for", "203.0.113.1")],
        [("content-length", "x")],
        [("content-length", "-1")],
        [("content-length", "9" * 30)],
    ],
)
def test_headers_that_are_read_in_two_ways_are_refused(headers: Headers) -> None:
    """Regression of oauth2-proxy CVE-2025-64484, and of headers that proxies pick differently."""
    reply = get(headers=headers)
    assert (reply.status, reply.problem) == (400, "bad-request")
    assert reply.header("x-request-id") == reply.json()["request_id"]


CODED = [
    [("content-encoding", "gzip")],
    [("content-encoding", "GZIP")],
    [("content-encoding", "br, identity")],
    [("content-encoding", "identity"), ("content-encoding", "deflate")],
    [("content-encoding", "utf-8")],
    [("content-encoding", "x")],
]
PLAIN: list[Headers] = [
    [("content-encoding", "identity")],
    [("content-encoding", "Identity, identity")],
    [("content-encoding", "")],
    [("content-encoding", " , ")],
    [],
]


@pytest.mark.parametrize("framing", [("content-length", "2"), ("transfer-encoding", "chunked")])
@pytest.mark.parametrize("headers", CODED)
def test_a_body_that_is_coded_is_refused(framing: tuple[str, str], headers: Headers) -> None:
    """With what would be accepted (RFC 7694 section 3), before anything reads it."""
    reply = answer(build()[0], "POST", "/length", headers=[framing, *headers], endless=True)
    assert (reply.status, reply.problem) == (415, "unsupported-media-type")
    assert reply.header("accept-encoding") == "identity"


@pytest.mark.parametrize("headers", PLAIN)
def test_a_body_that_is_not_coded_is_read(headers: Headers) -> None:
    """`identity` says that nothing was done to it."""
    sent = [("content-length", "2"), *headers]
    assert answer(build()[0], "POST", "/length", headers=sent, chunks=[b"{}"]).body == b"2"


@pytest.mark.parametrize("headers", CODED)
def test_a_coding_of_nothing_does_no_harm(headers: Headers) -> None:
    """Some clients send the header with each request."""
    assert get(headers=headers).status == 200


@pytest.mark.parametrize(
    ("version", "host", "status"),
    [
        ("1.1", None, 400),
        ("1.1", "", 400),
        ("1.1", "a.example", 200),
        ("1.1", "[::1]:3000", 200),
        ("1.0", None, 200),
        ("1.0", "", 200),
        ("1.0", "a.example", 200),
    ],
)
def test_a_host_is_named(version: str, host: str | None, status: int) -> None:
    """By each request of HTTP/1.1 (RFC 9112 section 3.2)."""

    async def as_sent(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [] if host is None else [(b"host", host.encode())]
        await build()[0]({**scope, "http_version": version, "headers": headers}, receive, send)

    reply = answer(as_sent, "GET", "/hello/x")
    assert reply.status == status
    if status == 400:
        assert reply.problem == "bad-request"
        assert "host" in reply.json()["detail"]
        assert reply.header("x-request-id") == reply.json()["request_id"]


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "authorization",
                    "host",
                    "traceparent",
                    "user-agent",
                    "x-request-id",
                    "content-length",
                ]
            )
            | st.from_regex(r"[a-z_-]{1,12}", fullmatch=True),
            st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=40),
        ),
        max_size=6,
    )
)
def test_no_headers_cause_a_failure(headers: list[tuple[str, str]]) -> None:
    assert get(headers=headers).status in {200, 400, 413}


@pytest.mark.parametrize("path", ["/hello/x", "/nothing"])
def test_each_answer_has_the_security_headers(path: str) -> None:
    reply = get(path)
    assert reply.header("cache-control") == "no-store"
    assert reply.header("content-security-policy") == "default-src 'none'; frame-ancestors 'none'"
    assert reply.header("referrer-policy") == "no-referrer"
    assert (reply.header("strict-transport-security") or "").startswith("max-age=31536000")
    assert reply.header("x-content-type-options") == "nosniff"


def test_a_route_may_have_a_policy_of_its_own() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        exchange_of(scope).headers.append((b"x-left", b"by a layer"))
        headers = {"cache-control": "public, max-age=300", "content-security-policy": "own"}
        await Response(b"", headers=headers)(scope, receive, send)

    reply = answer(wrapped(app), "GET", "/")
    assert reply.header("cache-control") == "public, max-age=300"
    assert reply.header("content-security-policy") == "own"
    assert reply.header("x-left") == "by a layer"


def test_browsers_may_call_from_listed_origins_only() -> None:
    allowed: dict[str, Any] = {"cors_allowed_origins": ("https://app.example.com",)}
    reply = get(headers=[("origin", "https://app.example.com")], **allowed)
    assert reply.header("access-control-allow-origin") == "https://app.example.com"
    assert "X-Request-Id" in (reply.header("access-control-expose-headers") or "")
    assert reply.header("access-control-allow-credentials") is None
    other = get(headers=[("origin", "https://evil.example")], **allowed)
    assert other.header("access-control-allow-origin") is None
    none = get(headers=[("origin", "https://app.example.com")])
    assert none.header("access-control-allow-origin") is None


def test_a_preflight_allows_what_clients_need() -> None:
    app, _ = build(cors_allowed_origins=("https://app.example.com",))
    headers = [
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "authorization,if-match,content-type"),
    ]
    reply = answer(app, "OPTIONS", "/hello/x", headers=headers)
    assert reply.status == 200
    assert "PATCH" in (reply.header("access-control-allow-methods") or "")


def test_head_is_get_without_the_body() -> None:
    """RFC 9110 section 9.3.2: the same headers, the length of what GET would send included."""
    app, _ = build()
    got, head = (answer(app, method, "/hello/x") for method in ("GET", "HEAD"))
    assert (head.status, head.body, got.body) == (200, b"", b"hello")
    assert head.header("content-length") == got.header("content-length") == "5"
