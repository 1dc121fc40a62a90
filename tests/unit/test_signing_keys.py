"""Signing keys come from rows that only this service can have made, and are for signatures only."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from jwt import PyJWS
from jwt.algorithms import ECAlgorithm

from core.adapters.crypto import base64url
from core.adapters.crypto.seal import AesGcmSealer
from core.adapters.crypto.signing_keys import new_signing_key, open_signing_key, thumbprint
from core.ports.storage import SigningKey
from tests.support.tokens import SEALER, Issuer, KeyRows


@pytest.fixture
def service() -> Issuer:
    return Issuer()


def kids(service: Issuer) -> set[str]:
    return {key["kid"] for key in service.tokens.jwks()["keys"]}


def changed(key: SigningKey, **members: object) -> SigningKey:
    jwk: dict[str, Any] = {**key.public_jwk, **members}
    return replace(
        key, public_jwk={name: value for name, value in jwk.items() if value is not None}
    )


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"use": None},
        {"key_ops": ["encrypt"]},
        {"key_ops": []},
        {"alg": "ES384"},
        {"alg": "HS256"},
        {"alg": None},
        {"kty": "oct"},
        {"crv": "P-384"},
        {"x": "AAAA"},
        {"kid": "other"},
    ],
)
def test_a_key_for_another_use_verifies_nothing(
    service: Issuer, members: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """`use`, `key_ops`, `alg` and curve of the row count (PyJWT takes a key marked `use: enc`)."""
    token = service.issue()
    strict = Issuer(clock=service.clock, keys=KeyRows([changed(service.key, **members)]))
    assert not strict.accepts(token)
    assert strict.tokens.jwks() == {"keys": []}
    assert "is not used" in caplog.text


def test_a_row_that_names_its_operation_is_fine(service: Issuer) -> None:
    """`key_ops` may say `verify` (RFC 7517 section 4.3), and a later version may add members."""
    rows = KeyRows([changed(service.key, key_ops=["verify"], x5t="later")])
    assert Issuer(clock=service.clock, keys=rows).accepts(service.issue())


def test_a_row_from_elsewhere_is_not_believed(
    service: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    """Who can write rows but has not the secret cannot have tokens of their own accepted."""
    theirs = AesGcmSealer(b"x" * 32)
    foreign = new_signing_key(clock=service.clock, sealer=theirs)
    swapped = replace(foreign, sealed_private=service.key.sealed_private)
    other_kid = replace(service.key, kid="mine")
    for row in (foreign, swapped, other_kid):
        service.keys.rows[1:] = [row]
        service.clock.advance(seconds=61)
        with caplog.at_level(logging.ERROR):
            assert kids(service) == {service.key.kid}
        assert row.kid in caplog.text


@pytest.mark.parametrize(
    "der",
    [
        b"no key",
        generate_private_key(SECP256R1()).private_bytes(
            Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
        ),
        generate_private_key(SECP384R1()).private_bytes(
            Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
        ),
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
        ),
    ],
    ids=["no key", "encrypted", "p384", "ed25519"],
)
def test_only_p256_keys_are_opened(service: Issuer, der: bytes) -> None:
    """What is sealed has to be a P-256 private key."""
    sealed = SEALER.seal(der, context=f"signing-key:{service.key.kid}")
    with pytest.raises(ValueError, match=r"P-256|private key|deserialize|parse"):
        open_signing_key(replace(service.key, sealed_private=sealed), SEALER)


def test_a_new_key_keeps_its_private_half_sealed(service: Issuer) -> None:
    """The row and the published set hold nothing that signs."""
    private = open_signing_key(service.key, SEALER).private.private_numbers().private_value
    assert private.to_bytes(32, "big") not in service.key.sealed_private
    assert set(service.key.public_jwk) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert service.tokens.jwks() == {"keys": [service.key.public_jwk]}


# --- vectors --------------------------------------------------------------------------------------


def test_thumbprint_of_the_standard() -> None:
    """The example of RFC 7638 section 3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"
        "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"
        "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4"
        "vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    members = {"kty": "RSA", "n": modulus, "e": "AQAB"}
    assert thumbprint(members) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_signature_of_the_standard(service: Issuer) -> None:
    """RFC 7515 appendix A.3 verifies as the library is called here; it is no access token."""
    token = (
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
        "LmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISl"
        "SApmWQxfKTUJqPP3-Kg6NU1Q"
    )
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }
    key = ECAlgorithm.from_jwk(jwk)
    assert isinstance(key, EllipticCurvePublicKey)
    payload = PyJWS(algorithms=["ES256"]).decode(token, key, algorithms=["ES256"])
    assert payload == base64url.decode(token.split(".")[1])
    assert not service.accepts(token)
