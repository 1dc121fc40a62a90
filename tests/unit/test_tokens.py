"""No access token works but those of this service, unchanged, for itself, in their time."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from core.adapters.crypto import base64url
from core.adapters.crypto.refresh import HmacRefreshTokens
from core.adapters.crypto.tokens import Es256AccessTokens
from core.adapters.runtime import SystemClock
from core.errors import Unauthenticated
from tests.support.clock import FixedClock
from tests.support.tokens import (
    AUDIENCE,
    ISSUER,
    Issuer,
    header_of,
    payload_of,
    private_key,
    segment,
    signed,
)

SHARED = Issuer()
TOKEN = SHARED.issue()


@pytest.fixture
def service() -> Issuer:
    return Issuer()


def test_what_was_issued_is_read_back(service: Issuer) -> None:
    """Every claim comes back as it went in, from the token and from memory."""
    token = service.issue()
    assert service.tokens.verify(token) == service.claims()
    assert service.tokens.verify(token) == service.claims()


def test_the_token_is_of_the_published_profile(service: Issuer) -> None:
    """Header and claims are those of RFC 9068 section 2, which resource servers know."""
    token = service.issue()
    assert header_of(token) == {"alg": "ES256", "typ": "at+jwt", "kid": service.key.kid}
    now = int(service.clock.now().timestamp())
    assert payload_of(token) == {
        "iss": ISSUER,
        "sub": "01890000-0000-7000-8000-000000000001",
        "aud": AUDIENCE,
        "client_id": "user-api",
        "iat": now,
        "exp": now + 600,
        "jti": "01890000-0000-7000-8000-000000000003",
        "sid": "01890000-0000-7000-8000-000000000002",
        "scope": "users:read users:write",
        "auth_time": now - 3600,
        "acr": "aal1",
        "amr": ["pwd"],
        "epoch": 0,
    }


def test_others_verify_it_with_the_published_keys_alone() -> None:
    """A resource server with a stock library and the JWKS needs nothing else."""
    service = Issuer(clock=FixedClock(SystemClock().now()))
    keys = jwt.PyJWKSet.from_dict({"keys": [dict(key) for key in service.tokens.jwks()["keys"]]})
    token = service.issue()
    claims = jwt.decode(
        token,
        keys[str(header_of(token)["kid"])],
        algorithms=["ES256"],
        audience=AUDIENCE,
        issuer=ISSUER,
        options={"require": ["exp", "iat", "sub", "jti"]},
    )
    assert claims == payload_of(token)


def test_a_forged_token_of_the_right_content_is_accepted(service: Issuer) -> None:
    """The forging here is sound: what is refused below is refused for its one difference."""
    assert service.accepts(service.forge(service.header(), service.payload()))


# --- algorithms, header ---------------------------------------------------------------------------


def hmac_signed(secret: bytes, header: dict[str, object], payload: dict[str, object]) -> str:
    signing_input = f"{segment(header)}.{segment(payload)}"
    return (
        f"{signing_input}.{base64url.encode(hmac.digest(secret, signing_input.encode(), 'sha256'))}"
    )


@pytest.mark.parametrize("form", [PublicFormat.SubjectPublicKeyInfo, PublicFormat.CompressedPoint])
def test_the_public_key_is_no_hmac_secret(service: Issuer, form: PublicFormat) -> None:
    """Algorithm confusion: the key that everybody may read signs nothing (RFC 8725 section 2.1)."""
    public = private_key(service.key).public_key()
    pem = form is PublicFormat.SubjectPublicKeyInfo
    secret = public.public_bytes(Encoding.PEM if pem else Encoding.X962, form)
    for alg in ("HS256", "ES256"):
        token = hmac_signed(secret, service.header(alg=alg), service.payload())
        assert not service.accepts(token)


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", "HS256", "ES384", "es256", None, 1])
def test_only_the_one_algorithm_is_known(service: Issuer, alg: object) -> None:
    """A header that names any other algorithm is refused, signed or not."""
    forged = service.forge(service.header(alg=alg), service.payload())
    assert not service.accepts(forged)
    assert not service.accepts(forged.rpartition(".")[0] + ".")


@pytest.mark.parametrize("typ", ["JWT", "at+JWT", "application/at+jwt", "rt+jwt", "", None])
def test_other_kinds_of_token_are_refused(service: Issuer, typ: object) -> None:
    """An ID token or a logout token of the same issuer opens no door (RFC 8725 section 3.11)."""
    assert not service.accepts(service.forge(service.header(typ=typ), service.payload()))


@pytest.mark.parametrize("missing", ["alg", "typ", "kid"])
def test_each_header_member_is_needed(service: Issuer, missing: str) -> None:
    """A header that leaves something open is not filled in by guessing."""
    header = service.header()
    del header[missing]
    assert not service.accepts(service.forge(header, service.payload()))


def extra_members(service: Issuer) -> dict[str, object]:
    own = dict(service.key.public_jwk)
    return {
        "crit": ["exp"],
        "b64": True,
        "jwk": own,
        "jku": "https://evil.example/jwks.json",
        "x5u": "https://evil.example/cert.pem",
        "x5c": ["MIIB"],
        "x5t": "abc",
        "cty": "JWT",
        "zip": "DEF",
        "iss": ISSUER,
    }


@pytest.mark.parametrize("name", extra_members(SHARED))
def test_further_header_members_are_refused(service: Issuer, name: str) -> None:
    """No token brings its key, a place to fetch one, or an extension (RFC 8725 section 3.10)."""
    header = service.header(**{name: extra_members(service)[name]})
    assert not service.accepts(service.forge(header, service.payload()))


def test_a_key_that_the_token_brings_along_is_not_used(service: Issuer) -> None:
    """Signed by an attacker, with the attacker's key in the header or under the service's kid."""
    attacker = generate_private_key(SECP256R1())
    for header in (service.header(), service.header(jwk=dict(service.key.public_jwk))):
        assert not service.accepts(signed(attacker, header, service.payload()))


@pytest.mark.parametrize("kid", ["", "unknown", "../../dev/null", 7, None, ["a"]])
def test_an_unknown_key_is_refused(service: Issuer, kid: object) -> None:
    """A kid is a name and never a path or a query."""
    assert not service.accepts(service.forge(service.header(kid=kid), service.payload()))


def test_the_signature_has_to_fit_the_key_that_is_named(service: Issuer) -> None:
    """A token of one published key under the kid of another is refused."""
    other = Issuer(clock=service.clock)
    service.keys.rows.append(other.key)
    assert service.accepts(other.issue())
    assert not service.accepts(other.forge(service.header(), service.payload()))


# --- claims ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", sorted(payload_of(TOKEN)))
def test_each_claim_is_needed(service: Issuer, claim: str) -> None:
    """A token without it is refused, and so is one that says null."""
    without = {name: value for name, value in service.payload().items() if name != claim}
    assert not service.accepts(service.forge(service.header(), without))
    assert not service.accepts(service.forge(service.header(), without | {claim: None}))


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "https://users.example/"),
        ("iss", "https://evil.example"),
        ("iss", [ISSUER]),
        ("aud", "https://other.example"),
        ("aud", [AUDIENCE]),
        ("aud", AUDIENCE.upper()),
        ("sub", "admin"),
        ("sub", "01890000-0000-7000-8000-00000000000A"),
        ("sub", "{01890000-0000-7000-8000-000000000001}"),
        ("sub", 1),
        ("sid", ""),
        ("jti", "1"),
        ("client_id", 1),
        ("scope", ["users:read"]),
        ("acr", 1),
        ("amr", "pwd"),
        ("amr", [1]),
        ("amr", {"pwd": 1}),
        ("epoch", "0"),
        ("epoch", -1),
        ("epoch", True),
        ("epoch", 0.0),
        ("exp", "1893553000"),
        ("exp", 1e18),
        ("exp", 10**18),
        ("exp", 10**30),
        ("exp", -1),
        ("iat", True),
        ("iat", 0),
        ("auth_time", "x"),
        ("auth_time", 10**18),
        ("nbf", "x"),
    ],
)
def test_claims_have_one_type_and_one_spelling(service: Issuer, claim: str, value: object) -> None:
    """Wrong issuer, audience, type or form: refused, and never a crash."""
    assert not service.accepts(service.forge(service.header(), service.payload(**{claim: value})))


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({"iat": 0, "exp": 600}, True),
        ({"iat": -600, "exp": -4}, True),
        ({"iat": -600, "exp": -5}, False),
        ({"iat": -3600, "exp": -3000}, False),
        ({"iat": 5, "exp": 600}, True),
        ({"iat": 6, "exp": 600}, False),
        ({"iat": 86400, "exp": 87000}, False),
        ({"iat": 0, "exp": 905}, True),
        ({"iat": 0, "exp": 906}, False),
        ({"iat": 0, "exp": 10**9}, False),
        ({"iat": 0, "exp": 0}, False),
        ({"iat": 0, "exp": 600, "nbf": 0}, True),
        ({"iat": 0, "exp": 600, "nbf": 1}, False),
    ],
)
def test_a_token_counts_in_its_time_only(changes: dict[str, int], accepted: bool) -> None:
    """Between `iat` and `exp`, give or take 5 s, and for 15 minutes at most."""
    service = Issuer(clock=FixedClock(datetime(2030, 1, 1, tzinfo=UTC)))
    now = int(service.clock.now().timestamp())
    times = {name: now + seconds for name, seconds in changes.items()}
    token = service.forge(service.header(), service.payload(**times))
    assert not service.accepts(token) is not accepted


def test_what_is_remembered_expires_too(service: Issuer) -> None:
    """A token that was verified before is refused once it is over."""
    token = service.issue()
    assert service.accepts(token)
    service.clock.advance(seconds=604)
    assert service.accepts(token)
    service.clock.advance(seconds=1)
    assert not service.accepts(token)


@pytest.mark.parametrize("seen_before", [True, False])
def test_a_token_that_has_expired_is_known_as_genuine(service: Issuer, seen_before: bool) -> None:
    """So that only tokens of foreign make count against an address."""
    token = service.issue()
    forged = service.forge(service.header(kid="unknown"), service.payload())
    if seen_before:
        assert service.accepts(token)
    service.clock.advance(seconds=700)
    for refused, genuine in ((token, True), (forged, False), (token[:-4] + "AAAA", False)):
        with pytest.raises(Unauthenticated) as told:
            service.tokens.verify(refused)
        assert told.value.genuine is genuine


def test_what_is_remembered_is_the_whole_token(service: Issuer) -> None:
    """That a token was verified before helps nobody who changes any part of it."""
    token = service.issue()
    assert service.accepts(token)
    header, payload, signature = token.split(".")
    other = segment(service.payload(sub=str(uuid4())))
    for parts in (
        (header, payload, signature[::-1]),
        (header, payload, ""),
        (header, payload, signature[:-2]),
        (header, other, signature),
        (segment({"alg": "none", "typ": "at+jwt"}), payload, signature),
    ):
        assert not service.accepts(".".join(parts))
    assert service.accepts(token)


def test_claims_of_a_later_version_do_no_harm(service: Issuer) -> None:
    """During an upgrade the old version reads tokens of the new one."""
    token = service.forge(service.header(), service.payload(cnf={"jkt": "x"}))
    assert service.tokens.verify(token) == service.claims()


# --- other tokens, memory -------------------------------------------------------------------------


def test_a_refresh_token_is_no_access_token(service: Issuer) -> None:
    """It is kept for longer, and is worth nothing here."""
    token = HmacRefreshTokens(hashlib.sha256(b"key").digest()).encode(uuid4(), 0)
    assert not service.accepts(token)
    assert not service.accepts(token + ".a.b")


def test_memory_of_verified_tokens_is_bounded() -> None:
    """The tokens that were not seen for longest are verified anew."""
    service = Issuer()
    tokens = Es256AccessTokens(
        keys=service.ring, clock=service.clock, issuer=ISSUER, audience=AUDIENCE, remembered=2
    )
    issued = [service.forge(service.header(), service.payload(n=n)) for n in range(4)]
    for token in issued + issued:
        assert tokens.verify(token) == service.claims()
    remembered = [hashlib.sha256(token.encode()).digest() for token in issued]
    assert list(tokens._verified._entries) == remembered[2:]
    for token in (issued[2], issued[0]):
        tokens.verify(token)
    assert list(tokens._verified._entries) == [remembered[2], remembered[0]]
