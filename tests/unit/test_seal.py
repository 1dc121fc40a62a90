"""What is derived from the one secret: subkeys, sealed values, codes in mails, pseudonyms."""

from __future__ import annotations

import hmac
from typing import Any, cast
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.crypto import base64url
from core.adapters.crypto.codes import HmacCodeSecrets
from core.adapters.crypto.derive import KeyUse, derive_key
from core.adapters.crypto.pseudonyms import HmacPseudonyms
from core.adapters.crypto.seal import AesGcmSealer
from core.domain.addresses import EmailAddress
from core.domain.codes import CodePurpose
from core.services.sign_up_passwords import SignUpPasswords
from core.services.suppressions import Suppressions

KEY = bytes(range(32))
CODE_ID = UUID("01890000-0000-7000-8000-000000000001")


# --- subkeys --------------------------------------------------------------------------------------


def hkdf_sha256(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 section 2, written down once more."""
    pseudorandom = hmac.digest(salt or b"\0" * 32, secret, "sha256")
    output, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = hmac.digest(pseudorandom, block + info + bytes([counter]), "sha256")
        output += block
    return output[:length]


def test_the_reference_derives_as_the_standard_does() -> None:
    """RFC 5869 appendix A.1."""
    derived = hkdf_sha256(b"\x0b" * 22, bytes(range(13)), bytes(range(0xF0, 0xFA)), 42)
    assert derived.hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


@pytest.mark.parametrize("use", KeyUse)
def test_keys_are_derived_by_the_standard(use: KeyUse) -> None:
    """A second implementation, or a later version, gets the same keys from the same secret."""
    info = f"user-api {use.value}".encode()
    assert derive_key(KEY, use) == hkdf_sha256(KEY, b"", info, 32)


def test_each_use_has_a_key_of_its_own() -> None:
    """No use can be played against another, and none is the secret itself."""
    keys = {derive_key(KEY, use) for use in KeyUse}
    assert len(keys) == len(KeyUse)
    assert KEY not in keys
    assert keys.isdisjoint(derive_key(b"x" * 32, use) for use in KeyUse)


def test_labels_stay_what_they_are() -> None:
    """Renaming one would log everybody out, or make what is stored unreadable."""
    assert {use.name: use.value for use in KeyUse} == {
        "REFRESH_TOKENS": "refresh tokens",
        "CODES": "one-time codes",
        "SEALING": "sealing",
        "PSEUDONYMS": "pseudonyms",
        "CURSORS": "cursors",
    }


# --- sealing --------------------------------------------------------------------------------------

SEALER = AesGcmSealer(KEY)


def opens(sealed: bytes, context: str = "answer:1", sealer: AesGcmSealer = SEALER) -> bool:
    try:
        sealer.open(sealed, context=context)
    except ValueError:
        return False
    return True


@given(plain=st.binary(max_size=2000), context=st.text(st.characters(codec="utf-8"), max_size=50))
def test_what_is_sealed_opens_again(plain: bytes, context: str) -> None:
    """Any bytes, in any context."""
    assert SEALER.open(SEALER.seal(plain, context=context), context=context) == plain


def test_a_sealed_value_shows_nothing_but_its_length() -> None:
    """29 bytes longer than what is in it, and another one each time."""
    plain = b"secret" * 10
    sealed = {SEALER.seal(plain, context="answer:1") for _ in range(100)}
    assert len({value[1:13] for value in sealed}) == 100
    assert {len(value) for value in sealed} == {len(plain) + 29}
    assert not any(b"secret" in value for value in sealed)


def test_each_bit_is_authenticated() -> None:
    """A change anywhere, version and nonce included, does not open."""
    sealed = SEALER.seal(b"plain", context="answer:1")
    assert opens(sealed)
    for position in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[position // 8] ^= 1 << position % 8
        assert not opens(bytes(changed))


def test_a_value_cannot_be_moved_to_another_place() -> None:
    """The answer kept for one key does not open as the answer for another."""
    sealed = SEALER.seal(b"plain", context="answer:1")
    for context in ("answer:2", "answer:", "answer:11", "", "answer:1\0"):
        assert not opens(sealed, context)


def test_another_secret_opens_nothing() -> None:
    """A copy of the database is of no use without the key."""
    sealed = SEALER.seal(b"plain", context="answer:1")
    assert not opens(sealed, sealer=AesGcmSealer(b"x" * 32))


@pytest.mark.parametrize("length", range(30))
def test_a_value_cut_short_is_refused(length: int) -> None:
    """As an error that callers know, whatever is left of it."""
    assert not opens(SEALER.seal(b"plain", context="answer:1")[:length])


# --- codes ----------------------------------------------------------------------------------------

CODES = HmacCodeSecrets(KEY)


def test_a_code_is_url_safe_and_cannot_be_guessed() -> None:
    """256 bits in 43 characters that no mail program breaks."""
    code = CODES.derive(CODE_ID, CodePurpose.VERIFY_EMAIL)
    assert len(base64url.decode(code)) == 32
    assert code.replace("-", "").replace("_", "").isalnum()


def test_a_code_can_be_derived_again() -> None:
    """The worker finds the code from its id alone: no row of the outbox holds it."""
    again = HmacCodeSecrets(KEY)
    for purpose in CodePurpose:
        assert CODES.derive(CODE_ID, purpose) == again.derive(CODE_ID, purpose)


def test_purpose_id_and_key_all_count() -> None:
    """A code for verifying an address resets no password."""
    other = UUID(int=CODE_ID.int + 1)
    codes = {CODES.derive(code_id, p) for code_id in (CODE_ID, other) for p in CodePurpose}
    codes.add(HmacCodeSecrets(b"x" * 32).derive(CODE_ID, CodePurpose.VERIFY_EMAIL))
    assert len(codes) == 2 * len(CodePurpose) + 1


def test_the_digest_is_keyed_and_names_one_spelling() -> None:
    """The table does not show whether a code is in it, and no second spelling of a code works."""
    code = CODES.derive(CODE_ID, CodePurpose.VERIFY_EMAIL)
    others = [code + "=", code + "\n", code[:-1], code.swapcase(), "", "\ud800", "\0"]
    digests = {CODES.digest(text) for text in (code, *others)}
    assert len(digests) == len(others) + 1
    assert {len(digest) for digest in digests} == {32}
    assert CODES.digest(code) != HmacCodeSecrets(b"x" * 32).digest(code)


def test_deriving_and_digesting_are_apart() -> None:
    """No text whose digest could be asked for gives the code of an id."""
    code_id = UUID(bytes=b"0123456789abcdef")
    message = "0123456789abcdef" + CodePurpose.VERIFY_EMAIL.value
    derived = base64url.decode(CODES.derive(code_id, CodePurpose.VERIFY_EMAIL))
    assert derived not in {CODES.digest(message), CODES.digest("\x01" + message)}


# --- pseudonyms -----------------------------------------------------------------------------------

NAMES = HmacPseudonyms(KEY)
PARTS = st.lists(st.text(alphabet="ab\0:\ud800é", max_size=4), max_size=4).map(tuple)


@given(PARTS, PARTS)
def test_only_equal_parts_have_equal_pseudonyms(one: tuple[str, ...], two: tuple[str, ...]) -> None:
    """("ab", "c") and ("a", "bc") are two (Oathkeeper CVE-2026-33496); odd text is no crash."""
    assert (NAMES.of(*one) == NAMES.of(*two)) is (one == two)


def test_pseudonyms_that_are_kept_stay_what_they_are() -> None:
    """Another name for a use, or another way to make them, would mail the addresses again that have
    refused our mail, and know no sign-up again."""
    names = HmacPseudonyms(derive_key(KEY, KeyUse.PSEUDONYMS))
    ada, unused = EmailAddress.parse("Ada@Example.com"), cast(Any, None)
    suppressions = Suppressions(storage=unused, pseudonyms=names, clock=unused)
    sign_ups = SignUpPasswords(pseudonyms=names)
    assert suppressions._key(ada).hex() == (
        "b14c6dfe4a725d5c765400ed86c8a164394bb26f05add8b791891ba68c451031"
    )
    assert sign_ups.salt(ada.normalised).hex() == "86ade6ea69129c3f0fe9a82d56845fcb"
    assert sign_ups.digest(ada.normalised, "$argon2id$").hex() == (
        "a528625317401695f36bd261032b9a9aef083e617fcb749bb905070fb88ed77e"
    )


def test_pseudonyms_need_the_key() -> None:
    """An address cannot be looked up by trying all addresses without it."""
    assert NAMES.of("192.0.2.1") != HmacPseudonyms(b"x" * 32).of("192.0.2.1")
    assert len(NAMES.of()) == 32
