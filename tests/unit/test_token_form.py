"""An access token has one spelling: whatever is cut, added, padded or changed is refused."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.crypto import base64url
from tests.support.tokens import (
    Issuer,
    private_key,
)

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SHARED = Issuer()
# With both of the characters in which the two alphabets of base64 differ.
TOKEN = next(token for token in iter(SHARED.issue, "") if "-" in token and "_" in token)


def test_the_token_that_is_spoilt_below_is_a_good_one() -> None:
    assert SHARED.accepts(TOKEN)


@pytest.fixture
def service() -> Issuer:
    return Issuer()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"[" * 4000,
        b'{"a":' * 800 + b"1" + b"}" * 800,
        b'{"exp":NaN}',
        b"\xff\xfe{}",
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b'{"exp":' + b"9" * 5000 + b"}",
    ],
)
def test_odd_json_is_refused_and_never_a_crash(service: Issuer, payload: bytes) -> None:
    """In the payload, even well signed, and in the header."""
    assert not service.accepts(service.forge(service.header(), payload))
    assert not service.accepts(service.forge(payload, service.payload()))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: b"\xef\xbb\xbf" + good,
        lambda good: good.decode().encode("utf-16"),
        lambda good: good.decode().encode("utf-32-le"),
        lambda good: good + b"x",
        lambda good: good + good,
        lambda good: good[:-1] + b',"x":NaN}',
        lambda good: good[:-1] + b',"x":-Infinity}',
        lambda good: good[:-1] + b',"x":"\xff"}',
        lambda good: good[:-1] + b',"x":' + b"[" * 3000 + b"]" * 3000 + b"}",
        lambda good: good[:-1] + b',"x":' + b"9" * 5000 + b"}",
        lambda good: good[:-1] + b",}",
        lambda good: b"[" + good + b"]",
    ],
)
def test_good_claims_in_odd_json_are_refused(
    service: Issuer, spoil: Callable[[bytes], bytes]
) -> None:
    """UTF-8 without a mark, and nothing that other readers of JSON would not take."""
    payload = json.dumps(service.payload()).encode()
    assert service.accepts(service.forge(service.header(), payload))
    assert not service.accepts(service.forge(service.header(), spoil(payload)))


def test_repeated_members_are_refused(service: Issuer) -> None:
    """Two readers never take two meanings from one token (RFC 8725 section 2.4)."""
    twice = json.dumps(service.payload())[:-1].encode() + b',"sub":"x"}'
    assert not service.accepts(service.forge(service.header(), twice))
    twice = b'{"alg":"none",' + json.dumps(service.header())[1:].encode()
    assert not service.accepts(service.forge(twice, service.payload()))
    nested = json.dumps(service.payload())[:-1].encode() + b',"x":{"a":1,"a":2}}'
    assert not service.accepts(service.forge(service.header(), nested))


def test_a_token_over_8_kib_is_refused(service: Issuer) -> None:
    """Length is looked at before anything is decoded; a good token right below it passes."""
    token = service.forge(service.header(), service.payload(pad=""))
    room = (8 * 1024 - len(token)) * 3 // 4
    fits = service.forge(service.header(), service.payload(pad="x" * (room - 2)))
    assert 8 * 1024 - 4 <= len(fits) <= 8 * 1024
    assert service.accepts(fits)
    assert not service.accepts(
        service.forge(service.header(), service.payload(pad="x" * (room + 3)))
    )
    assert not service.accepts("a" * 10_000_000)


@pytest.mark.parametrize(
    "spell",
    [
        lambda t: t + "=",
        lambda t: t + "==",
        lambda t: t.replace(".", "=.", 1),
        lambda t: t + "\n",
        lambda t: " " + t,
        lambda t: t[:30] + "\n" + t[30:],
        lambda t: t[:30] + " " + t[30:],
        lambda t: t[:30] + "!" + t[30:],
        lambda t: t.replace("-", "+").replace("_", "/"),
        lambda t: t + ".",
        lambda t: "." + t,
        lambda t: t + "." + t.rpartition(".")[2],
        lambda t: t.replace(".", "..", 1),
        lambda t: t.replace(".", "。"),
        lambda t: t + "é",
        lambda t: t + "\ud800",
        lambda t: t + "\0",
    ],
)
def test_a_token_has_one_spelling(spell: Callable[[str], str]) -> None:
    """Padding, blanks, the other alphabet and more or fewer dots are all refused."""
    assert SHARED.accepts(TOKEN)
    assert spell(TOKEN) != TOKEN
    assert not SHARED.accepts(spell(TOKEN))


def test_spare_bits_of_a_segment_are_refused(service: Issuer) -> None:
    """The last character of a signature has four spare bits: 15 other spellings, none accepted."""
    token = service.issue()
    assert service.accepts(token)
    last = ALPHABET.index(token[-1])
    assert last % 16 == 0
    for spare in range(1, 16):
        assert not service.accepts(token[:-1] + ALPHABET[last + spare])


@pytest.mark.parametrize("length", [0, 1, 10, 100, -100, -2, -1])
def test_a_truncated_token_is_refused(length: int) -> None:
    """A token cut short anywhere is refused (CVE-2026-27840)."""
    assert SHARED.accepts(TOKEN)
    assert not SHARED.accepts(TOKEN[:length])


def test_each_character_counts() -> None:
    """Another one in any single place: refused."""
    assert SHARED.accepts(TOKEN)
    for position, character in enumerate(TOKEN):
        other = ALPHABET[(ALPHABET.find(character) + 1) % len(ALPHABET)]
        assert not SHARED.accepts(TOKEN[:position] + other + TOKEN[position + 1 :])


@given(position=st.integers(0, len(TOKEN) - 1), character=st.sampled_from(ALPHABET + ".=+/ \n\0é"))
def test_any_change_of_a_character_is_refused(position: int, character: str) -> None:
    """Whichever segment it is in."""
    changed = TOKEN[:position] + character + TOKEN[position + 1 :]
    assert SHARED.accepts(changed) is (changed == TOKEN)


@given(st.text(max_size=300) | st.text(alphabet=ALPHABET + ".", max_size=300))
def test_any_text_is_refused_and_never_a_crash(text: str) -> None:
    """Whatever stands behind `Bearer`."""
    assert not SHARED.accepts(text)


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"\0" * 63, b"\xff" * 64, b"\1" * 65])
def test_odd_signatures_are_refused(signature: bytes) -> None:
    """Zero, too large or of the wrong length (psychic signatures, CVE-2022-21449)."""
    assert not SHARED.accepts(TOKEN.rpartition(".")[0] + "." + base64url.encode(signature))


def test_a_der_signature_is_refused(service: Issuer) -> None:
    """JWS has r and s side by side (RFC 7518 section 3.4), not in DER."""
    signing_input = service.issue().rpartition(".")[0]
    der = private_key(service.key).sign(signing_input.encode(), ECDSA(SHA256()))
    assert not service.accepts(f"{signing_input}.{base64url.encode(der)}")
