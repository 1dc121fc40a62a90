"""Paths that have a second spelling are refused; all others are routed as they were sent."""

from __future__ import annotations

import string
import time

import pytest

from handler.http.middleware.paths import path_fault

UNRESERVED = string.ascii_letters + string.digits + "-._~"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/%6Detrics", "needs no escape"),
        ("/v1/%75sers/me", "needs no escape"),
        ("/v1/roles/a%2Fb", "a slash"),
        ("/v1/roles/a%2fb", "a slash"),
        ("/v1/users/%2e%2e/me", "needs no escape"),
        ("/v1/users/.%2E/me", "needs no escape"),
        ("/v1/users/../users/me", "dot segment"),
        ("/./metrics", "dot segment"),
        ("/v1/users/..", "dot segment"),
        ("/.", "dot segment"),
        ("/%", "escape"),
        ("/a%2", "escape"),
        ("/%zz", "escape"),
        ("/%u0041", "escape"),
        ("/v1\\users", "percent-encoded"),
        ("/v1/roles/a b", "percent-encoded"),
        ('/v1/roles/"', "percent-encoded"),
        ("/v1/roles/{name}", "percent-encoded"),
        ("v1", "percent-encoded"),
        ("*", "percent-encoded"),
        ("", "percent-encoded"),
    ],
)
def test_a_second_spelling_is_refused(path: str, words: str) -> None:
    """With what is wrong, and nothing of what was sent."""
    assert words in (path_fault(path.encode()) or "")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/users/me/",
        "//metrics",
        "/v1//users",
        "/...",
        "/.well-known/jwks.json",
        "/a..b/c.",
        "/~!$&'()*+,;=:@-_.",
        "/%40%20%25%5C%00%FF%7F",
        "/Z%C3%BCrich/z%c3%bcrich",
        "/%252F%252e%252E",
    ],
)
def test_one_spelling_is_let_through(path: str) -> None:
    """Empty segments and trailing slashes are other paths, not other spellings (RFC 3986)."""
    assert path_fault(path.encode()) is None


def test_every_character_has_one_spelling() -> None:
    """Of each octet either the character itself or its escape is let through; of sub-delims, `:`
    and `@` both, because they are two things (RFC 3986 section 2.2)."""
    for octet in range(256):
        plain = path_fault(b"/x" + bytes([octet])) is None
        escaped = {path_fault(f"/x%{octet:{case}}".encode()) is None for case in ("02x", "02X")}
        character = chr(octet)
        assert plain == (character in UNRESERVED + "!$&'()*+,;=:@/"), octet
        assert escaped == {character not in UNRESERVED + "/"}, octet


@pytest.mark.parametrize("piece", ["a", "%41", "%C3", "/", "/.", "/..", "%"])
def test_the_longest_path_is_judged_quickly(piece: str) -> None:
    """Headers end at 32 KiB; looking at all of it takes no noticeable time, whatever it holds."""
    path = b"/" + piece.encode() * (32 * 1024 // len(piece)) + b"\\"
    seconds = []
    for _ in range(5):
        began = time.process_time()
        assert path_fault(path)
        seconds.append(time.process_time() - began)
    assert min(seconds) < 0.02
