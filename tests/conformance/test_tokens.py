"""Access tokens at the API: only what this service signed, for this service, now."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.clients import Client
from tests.support.people import LoggedIn, People
from tests.support.tokens import other_signature


def decode(segment: str) -> dict[str, Any]:
    value = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    assert isinstance(value, dict)
    return value


def encode(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def public_key(client: Client, token: str) -> tuple[dict[str, str], Any]:
    kid = decode(token.split(".", maxsplit=1)[0])["kid"]
    keys = client.request("GET", "/.well-known/jwks.json").json()["keys"]
    jwk = next(key for key in keys if key["kid"] == kid)
    return jwk, jwt.PyJWK(jwk).key


def hmac_with_public_key(client: Client, token: str, session: LoggedIn) -> str:
    """Algorithm confusion (RFC 8725 section 2.1)."""
    import hashlib
    import hmac

    _, key = public_key(client, token)
    secret = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {**decode(token.split(".", maxsplit=1)[0]), "alg": "HS256"}
    signed = f"{encode(header)}.{token.split('.')[1]}"
    mac = hmac.digest(secret, signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def unsigned(client: Client, token: str, session: LoggedIn) -> str:
    header = {**decode(token.split(".", maxsplit=1)[0]), "alg": "none"}
    return f"{encode(header)}.{token.split('.')[1]}."


def own_key(client: Client, token: str, session: LoggedIn) -> str:
    """Signed by the attacker, whose key is offered in the header (RFC 8725 section 2.6)."""
    header, payload, _ = token.split(".")
    key = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.public_key()))
    headers = {**decode(header), "jwk": public}
    return jwt.encode(decode(payload), key, "ES256", headers=headers)


def other_subject(client: Client, token: str, session: LoggedIn) -> str:
    header, payload, signature = token.split(".")
    claims = {**decode(payload), "sub": "0190b2c2-0000-7000-8000-000000000000"}
    return f"{header}.{encode(claims)}.{signature}"


def padded(client: Client, token: str, session: LoggedIn) -> str:
    return token + "="


def other_spelling(client: Client, token: str, session: LoggedIn) -> str:
    """The last character of a base64url segment has bits that decoders ignore."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = alphabet.index(token[-1])
    return token[:-1] + alphabet[last ^ 1]


def other_half(client: Client, token: str, session: LoggedIn) -> str:
    """(r, n - s), which ECDSA verifies as well as (r, s)."""
    return other_signature(token)


def refresh_token(client: Client, token: str, session: LoggedIn) -> str:
    return session.refresh


def oversized(client: Client, token: str, session: LoggedIn) -> str:
    return token + "A" * 8192


def truncated(client: Client, token: str, session: LoggedIn) -> str:
    return token[:-4]


def session_id(client: Client, token: str, session: LoggedIn) -> str:
    return session.session_id


@pytest.mark.parametrize(
    "forge",
    [
        hmac_with_public_key,
        unsigned,
        own_key,
        other_subject,
        padded,
        other_spelling,
        other_half,
        refresh_token,
        oversized,
        truncated,
        session_id,
    ],
)
def test_a_forged_token_is_refused(
    people: People, client: Client, forge: Callable[[Client, str, LoggedIn], str]
) -> None:
    session = people.logged_in()
    forged = forge(client, session.access, session)
    answer = client.request("GET", "/v1/users/me", token=forged)
    assert (answer.status, answer.problem) == (401, "unauthenticated")
    assert 'error="invalid_token"' in (answer.header("www-authenticate") or "")
    assert client.request("GET", "/v1/users/me", token=session.access).status == 200


def test_a_token_verifies_offline_with_the_published_keys(people: People, client: Client) -> None:
    """What every other service does: JWKS, issuer, audience, type (RFC 9068)."""
    session = people.logged_in()
    metadata = client.request("GET", "/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == "https://id.example.com"
    assert metadata["jwks_uri"] == "https://id.example.com/.well-known/jwks.json"
    jwk, key = public_key(client, session.access)
    assert (jwk["kty"], jwk["crv"], jwk["use"], jwk["alg"]) == ("EC", "P-256", "sig", "ES256")
    assert "d" not in jwk
    claims = jwt.decode(
        session.access,
        key,
        algorithms=["ES256"],
        audience="https://id.example.com",
        issuer="https://id.example.com",
    )
    assert set(claims) == {
        "iss",
        "sub",
        "aud",
        "client_id",
        "iat",
        "exp",
        "jti",
        "sid",
        "scope",
        "auth_time",
        "acr",
        "amr",
        "epoch",
    }
    assert claims["sub"] == session.person.user_id
    assert claims["exp"] - claims["iat"] == 600
    assert abs(claims["iat"] - time.time()) < 60
    assert jwt.get_unverified_header(session.access)["typ"] == "at+jwt"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic YTpi", "Bearer a b", "bearer", "Bearer ,", "Bearer \u00e4"],
)
def test_what_is_no_bearer_token_is_refused(client: Client, header: str) -> None:
    answer = client.request("GET", "/v1/users/me", headers=[("authorization", header)])
    assert (answer.status, answer.problem) == (401, "unauthenticated")
    assert (answer.header("www-authenticate") or "").startswith("Bearer")


def test_the_scheme_is_known_in_any_case(people: People, client: Client) -> None:
    """RFC 9110 section 11.1."""
    token = people.logged_in().access
    answer = client.request("GET", "/v1/users/me", headers=[("authorization", f"bEARER {token}")])
    assert answer.status == 200


def test_a_token_in_the_query_is_no_token(people: People, client: Client) -> None:
    """RFC 9700 section 4.3.2: addresses end in logs."""
    token = people.logged_in().access
    assert client.request("GET", f"/v1/users/me?access_token={token}").status == 401


def test_a_body_names_nobody(people: People, client: Client) -> None:
    """Regression of better-auth CVE-2025-61928: a user id in a body stands for no login."""
    person = people.verified()
    for body in ({"user_id": person.user_id}, {"id": person.user_id, "display_name": "x"}):
        assert client.request("PATCH", "/v1/users/me", json=body).status == 401
