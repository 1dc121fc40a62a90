"""Of the two signatures that ECDSA accepts for one token, one is made and accepted."""

from __future__ import annotations

from datetime import datetime, timedelta

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.crypto import base64url
from core.adapters.crypto.low_s import has_low_s, low_s_jws
from core.adapters.crypto.tokens import Es256AccessTokens
from tests.support.tokens import (
    AUDIENCE,
    ISSUER,
    P256_ORDER,
    Issuer,
    other_signature,
    payload_of,
    private_key,
)

SHARED = Issuer()


def reading(service: Issuer, *, high_s_until: datetime | None) -> Issuer:
    """Another instance with the same keys and clock, in the middle of an upgrade."""
    service.tokens = Es256AccessTokens(
        keys=service.ring,
        clock=service.clock,
        issuer=ISSUER,
        audience=AUDIENCE,
        high_s_until=high_s_until,
    )
    return service


def test_the_other_signature_of_a_token_is_refused() -> None:
    """Fresh, and remembered in its own spelling; the token itself stays good."""
    service = Issuer()
    for _ in range(32):
        token = service.issue()
        assert not service.accepts(other_signature(token))
        assert service.accepts(token)
        assert not service.accepts(other_signature(token))


def test_the_other_signature_is_one_that_others_accept() -> None:
    """What is refused here is refused for its spelling: a stock library takes both."""
    token = SHARED.issue()
    key = private_key(SHARED.key).public_key()
    for spelling in (token, other_signature(token)):
        read = jwt.decode(
            spelling,
            key,
            algorithms=["ES256"],
            audience=AUDIENCE,
            options={"verify_exp": False, "verify_iat": False},
        )
        assert read == payload_of(token)


@given(st.binary(max_size=100))
def test_each_signature_that_is_made_has_the_lower_half(payload: bytes) -> None:
    """Half of those that the library makes have not."""
    key = private_key(SHARED.key)
    token = low_s_jws().encode(payload, key, algorithm="ES256")
    s = int.from_bytes(base64url.decode(token.rpartition(".")[2])[32:], "big")
    assert 0 < s <= P256_ORDER // 2
    assert low_s_jws().decode(token, key.public_key(), algorithms=["ES256"]) == payload


@pytest.mark.parametrize(
    ("s", "low"),
    [
        (1, True),
        (P256_ORDER // 2, True),
        (P256_ORDER // 2 + 1, False),
        (P256_ORDER - 1, False),
    ],
)
def test_the_middle_is_where_the_halves_meet(s: int, low: bool) -> None:
    """The order is odd, so no s is its own counterpart."""
    signature = base64url.encode(bytes(32) + s.to_bytes(32, "big"))
    assert has_low_s(f"e30.e30.{signature}") is low


@pytest.mark.parametrize(("seconds", "accepted"), [(1, True), (0, False), (-3600, False)])
def test_tokens_of_the_release_before_are_accepted_for_an_upgrade(
    seconds: int, accepted: bool
) -> None:
    """If they were issued before the time that the operator names, and with their one signature;
    that of tokens after it is checked as ever."""
    service = Issuer()
    issued_at = service.claims().issued_at
    reading(service, high_s_until=issued_at + timedelta(seconds=seconds))
    token = service.issue()
    assert service.accepts(token)
    assert service.accepts(other_signature(token)) is accepted
    assert not service.accepts(token[:-8] + "AAAAAAAA")
