"""Refresh tokens cannot be made, changed or respelt by anybody but this service."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.crypto import base64url
from core.adapters.crypto.refresh import HmacRefreshTokens
from core.errors import InvalidRefreshToken

TOKENS = HmacRefreshTokens(b"k" * 32)
SESSION = UUID("01890000-0000-7000-8000-000000000001")
TOKEN = TOKENS.encode(SESSION, 7)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def accepted(token: str) -> bool:
    try:
        TOKENS.decode(token)
    except InvalidRefreshToken:
        return False
    return True


@given(session_id=st.uuids(), generation=st.integers(0, 2**32 - 1))
def test_a_token_names_its_session_and_generation(session_id: UUID, generation: int) -> None:
    """What was handed out is understood, and the same generation is the same token every time."""
    token = TOKENS.encode(session_id, generation)
    assert TOKENS.decode(token) == (session_id, generation)
    assert TOKENS.encode(session_id, generation) == token


def test_the_form_is_fixed() -> None:
    """A prefix that secret scanners can find, and no character that a URL would change."""
    assert TOKEN.startswith("rt1.")
    assert len(TOKEN) == 74
    assert set(TOKEN[4:]) <= set(ALPHABET)


def test_the_next_generation_cannot_be_guessed() -> None:
    """Generations differ in all of the keyed part, not in a counter alone."""
    first, second = (base64url.decode(TOKENS.encode(SESSION, n)[4:])[20:] for n in (1, 2))
    assert sum(a != b for a, b in zip(first, second, strict=True)) > 16


def test_another_key_is_refused() -> None:
    """Tokens of another environment, or from before a change of the secret, are worth nothing."""
    assert not accepted(HmacRefreshTokens(b"x" * 32).encode(SESSION, 7))


@pytest.mark.parametrize("position", range(20))
def test_family_and_generation_cannot_be_changed(position: int) -> None:
    """Each byte of them is covered by the keyed part."""
    raw = bytearray(base64url.decode(TOKEN[4:]))
    raw[position] ^= 1
    assert not accepted("rt1." + base64url.encode(bytes(raw)))


def test_each_character_counts() -> None:
    """Another one in any single place, spare bits at the end included: refused."""
    for position in range(len(TOKEN)):
        for character in ALPHABET:
            if character != TOKEN[position]:
                assert not accepted(TOKEN[:position] + character + TOKEN[position + 1 :])


@pytest.mark.parametrize(
    "token",
    [
        "",
        "rt1.",
        TOKEN[:-1],
        TOKEN[4:],
        TOKEN + "=",
        TOKEN + "A",
        TOKEN[:-1] + "=",
        " " + TOKEN,
        TOKEN + "\n",
        TOKEN.replace("rt1.", "rt2."),
        TOKEN.replace("rt1.", "RT1."),
        "rt1.rt1." + TOKEN[8:],
        TOKEN[:40] + "\n" + TOKEN[41:],
        TOKEN[:40] + "é" + TOKEN[41:],
        TOKEN[:40] + "\ud800" + TOKEN[41:],
        "rt1." + base64url.encode(b"\0" * 52),
        "rt1." + "A" * 10_000_000,
    ],
)
def test_other_spellings_are_refused(token: str) -> None:
    """Cut, padded, doubled, of another version, or too long to be decoded at all."""
    assert not accepted(token)


@given(st.text(max_size=100) | st.text(alphabet=ALPHABET, min_size=70, max_size=70))
def test_any_text_is_refused_and_never_a_crash(text: str) -> None:
    """Whatever a client sends as its refresh token."""
    assert not accepted(text)
    assert not accepted("rt1." + text)


def test_an_access_token_is_no_refresh_token() -> None:
    """A stolen access token cannot be traded for a longer life."""
    assert not accepted(f"eyJhbGciOiJFUzI1NiJ9.{base64url.encode(uuid4().bytes)}.c2ln")
