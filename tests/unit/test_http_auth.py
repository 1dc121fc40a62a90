"""Tokens come in one header, in one form (RFC 6750)."""

from __future__ import annotations

import pytest

from core.errors import Unauthenticated
from handler.http.auth import LONGEST_TOKEN, bearer_token


@pytest.mark.parametrize(
    "header", ["Bearer abc", "bearer abc", "BEARER abc", "Bearer   abc", "Bearer abc "]
)
def test_the_scheme_has_no_case(header: str) -> None:
    """RFC 9110 section 11.1."""
    assert bearer_token(header) == "abc"


def test_every_character_of_a_token_is_kept() -> None:
    """The syntax b64token of RFC 6750 section 2.1."""
    token = "aZ09-._~+/=="
    assert bearer_token(f"Bearer {token}") == token
    assert bearer_token("Bearer " + "a" * LONGEST_TOKEN) == "a" * LONGEST_TOKEN


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "abc", "Bearerabc"]
)
def test_without_a_token_no_token_was_refused(header: str | None) -> None:
    """The challenge then carries no error (RFC 6750 section 3.1)."""
    with pytest.raises(Unauthenticated) as refused:
        bearer_token(header)
    assert not refused.value.token_presented


@pytest.mark.parametrize(
    "header",
    ["Bearer a b", "Bearer a,b", "Bearer é", "Bearer a=b", "Bearer =", "Bearer " + "a" * 8193],
)
def test_what_cannot_be_a_token_is_an_invalid_one(header: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        bearer_token(header)
    assert refused.value.token_presented
