"""The pages that links in mails open, as both targets serve them."""

from __future__ import annotations

import re

import pytest

from tests.support.clients import Client

PAGES = ["/account/", "/account/verify", "/account/reset"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_nothing_inline_and_is_not_kept(client: Client, path: str) -> None:
    """The policy allows files of this service only; no cache, frame or referrer gets the page."""
    answer = client.request("GET", path)
    assert answer.status == 200
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert answer.header("content-security-policy") == (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert answer.header("referrer-policy") == "no-referrer"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("x-content-type-options") == "nosniff"
    page = answer.body.decode()
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|https?:", page)


@pytest.mark.parametrize(
    ("name", "kind"), [("account.js", "text/javascript"), ("account.css", "text/css")]
)
def test_the_files_of_the_pages_may_be_cached(client: Client, name: str, kind: str) -> None:
    """Script and style have the type that browsers insist on under nosniff."""
    answer = client.request("GET", f"/account/{name}")
    assert answer.status == 200
    assert answer.header("content-type") == f"{kind}; charset=utf-8"
    assert answer.header("cache-control") == "public, max-age=300"


def test_the_shortest_password_is_told(client: Client) -> None:
    """The page names the length that the service demands."""
    page = client.request("GET", "/account/reset").body.decode()
    assert "15 characters or more" in page
    assert 'minlength="15"' in page


def test_nothing_of_the_request_stands_in_a_page(client: Client) -> None:
    """A page is the same whatever Host, forwarded headers or query say."""
    plain = client.request("GET", "/account/reset")
    headers = [("host", "evil.example.com"), ("x-forwarded-host", "evil.example.com")]
    other = client.request("GET", "/account/reset?next=//evil.example.com", headers=headers)
    assert other.body == plain.body


def test_the_folder_is_found_without_its_slash(client: Client) -> None:
    answer = client.request("GET", "/account")
    assert (answer.status, answer.header("location")) == (308, "account/")


@pytest.mark.parametrize("name", ["nothing", "verify.html", "..%2Fdocs.html", "%2e%2e/docs.html"])
def test_other_files_are_not_served(client: Client, name: str) -> None:
    answer = client.request("GET", f"/account/{name}")
    assert answer.status in {400, 404}
    assert answer.header("content-type") == "application/problem+json"
