"""Pure rules: addresses, profiles, passwords, merge patches."""

from __future__ import annotations

import contextlib
import string
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.addresses import EmailAddress
from core.domain.credentials import check_new_password, normalise_password
from core.domain.profile import check_profile, merge_patch
from core.errors import InvalidInput

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3)
    ),
    max_leaves=10,
)


_LOCAL_PARTS = st.text(
    string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=20
)
_LABELS = st.text(string.ascii_letters + string.digits + "\u00fc\u5c71", min_size=1, max_size=8)
ADDRESSES = st.builds(
    "{}@{}.com".format,
    st.lists(_LOCAL_PARTS, min_size=1, max_size=3).map(".".join),
    st.lists(_LABELS, min_size=1, max_size=3).map(".".join),
)
"""All of them can be used."""


@given(ADDRESSES)
def test_addresses_are_equal_in_any_case(address: str) -> None:
    lower = EmailAddress.parse(address.lower())
    upper = EmailAddress.parse(address.upper())
    assert lower.normalised == upper.normalised


@given(ADDRESSES)
def test_what_is_accepted_is_printable_ascii_with_one_at(text: str) -> None:
    """And its normalised form is its own."""
    address = EmailAddress.parse(text)
    assert address.value.isascii()
    assert address.value.isprintable()
    assert address.value.count("@") == 1
    assert EmailAddress.parse(address.normalised).normalised == address.normalised


@given(ADDRESSES, st.data())
def test_nothing_odd_in_an_address_is_accepted(address: str, data: st.DataObject) -> None:
    """Of what ends a line, a word or an address for other readers, anywhere in it."""
    odd = data.draw(st.sampled_from('\0\n\r\t \x1b\x7f@"(),:;<>[\\]\u2028\ud800'))
    position = data.draw(st.integers(0, len(address)))
    with pytest.raises(InvalidInput):
        EmailAddress.parse(address[:position] + odd + address[position:])


@given(st.text(max_size=40) | st.builds("{}@{}".format, st.text(max_size=9), st.text(max_size=30)))
def test_no_text_breaks_the_address_parser(text: str) -> None:
    """An address or InvalidInput."""
    with contextlib.suppress(InvalidInput):
        assert EmailAddress.parse(text).value.isascii()


def test_an_address_has_at_most_254_characters() -> None:
    """With its domain in ASCII (RFC 5321 section 4.5.3.1.3, less the angle brackets), though each
    of its parts may be longer."""
    local, labels = "a" * 64, ".".join(["b" * 60] * 3)
    longest = f"{local}@{labels}.{'c' * 6}"
    assert len(longest) == 254
    assert EmailAddress.parse(longest).value == longest
    typed = f"{local}@{labels}.{chr(252) * 3}.c"
    assert len(typed) < 254
    for longer in (f"{local}@{labels}.{'c' * 7}", typed):
        with pytest.raises(InvalidInput):
            EmailAddress.parse(longer)


@pytest.mark.parametrize(
    "text",
    [
        "a@b@example.com",
        '"a@b"@example.com',
        "a..b@example.com",
        ".a@example.com",
        "a@example..com",
        "a@-example.com",
        "a@127.0.0.1",
        "a@[127.0.0.1]",
        "a@localhost",
        "a@example.com\n",
        "a b@example.com",
        "a@exam\u2028ple.com",
        "\u212a@example.com",
        f"{'a' * 65}@example.com",
        f"a@{'b' * 64}.com",
        f"a@{'b.' * 130}com",
        "@example.com",
        "a@",
        "",
    ],
)
def test_odd_addresses_are_refused(text: str) -> None:
    """Regressions of CVE-2026-40574 (several @) and Django CVE-2019-19844 (Unicode case)."""
    with pytest.raises(InvalidInput):
        EmailAddress.parse(text)


def test_a_domain_is_compared_in_its_ascii_form() -> None:
    assert EmailAddress.parse("a@B\u00fccher.example").normalised == "a@xn--bcher-kva.example"


def test_the_appendix_of_rfc_7396() -> None:
    """Every row of RFC 7396 appendix A."""
    for target, patch, result in [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ]:
        assert merge_patch(target, patch) == result


@given(JSON, JSON)
def test_merging_twice_changes_nothing_more(target: object, patch: object) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


@given(st.text(min_size=15, max_size=60))
def test_passwords_are_compared_in_nfc(password: str) -> None:
    decomposed = unicodedata.normalize("NFD", password)
    assert normalise_password(decomposed) == normalise_password(normalise_password(password))


@pytest.mark.parametrize(
    "password",
    ["x" * 14, "abcd" * 33, "aaaaaaaaaaaaaaaa", "somebody@example.com", "SOMEBODY@EXAMPLE.COM",
     "a long enough one\0", "a long enough one\ud800"],
)  # fmt: skip
def test_bad_passwords_are_refused(password: str) -> None:
    with pytest.raises(InvalidInput):
        check_new_password(password, min_length=15, personal=("somebody@example.com", None))


def test_length_counts_code_points_after_nfc() -> None:
    """Fifteen accented letters are fifteen characters however they were typed."""
    decomposed = unicodedata.normalize("NFD", "\u00e0\u00e9\u00ee\u00f5\u00fc" * 3)
    assert len(check_new_password(decomposed, min_length=15, personal=())) == 15


def test_clearing_a_field_is_always_allowed() -> None:
    check_profile(dict.fromkeys(("username", "phone", "locale", "attributes"), None))


GOOD = {
    "username": "ada.lovelace-1",
    "display_name": "Ada Lovelace",
    "given_name": "Ada",
    "family_name": "Lovelace",
    "phone": "+15550100000",
    "locale": "de-Latn-CH-1996x",
    "time_zone": "America/Argentina/Buenos_Aires",
    "picture": "https://example.com/a/b.png?size=64#top",
}


def test_no_control_is_let_into_a_field() -> None:
    """At no place of a value that is good without it, nor for all of it."""
    check_profile(GOOD)
    for field, value in GOOD.items():
        for control in "\0\n\r\x1b":
            spoilt = [value[:at] + control + value[at:] for at in range(len(value) + 1)]
            for text in (*spoilt, control):
                with pytest.raises(InvalidInput):
                    check_profile({field: text})


@given(st.text(max_size=30))
def test_no_text_breaks_a_profile_rule(text: str) -> None:
    """A value or InvalidInput."""
    for field in GOOD:
        with contextlib.suppress(InvalidInput):
            check_profile({field: text})


PICTURE = "https://example.com/"


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("username", "abc", "ab"),
        ("username", "a" * 32, "a" * 33),
        *((field, "x" * 200, "x" * 201) for field in ("display_name", "given_name", "family_name")),
        ("phone", "+1234567", "+123456"),
        ("phone", "+" + "1" * 15, "+" + "1" * 16),
        ("phone", "+1555010", "+0155501"),
        ("locale", "de", "d"),
        ("locale", "deu", "deut"),
        ("locale", "de-abcde", "de-abc"),
        ("locale", "de-abcdefgh", "de-abcdefghi"),
        ("picture", PICTURE + "a" * (2048 - len(PICTURE)), PICTURE + "a" * (2049 - len(PICTURE))),
        ("picture", "https://example.com:65535/a", "https://example.com:65536/a"),
        ("picture", f"https://{'a' * 63}.com/", f"https://{'a' * 64}.com/"),
    ],
)
def test_the_bounds_of_fields(field: str, good: str, bad: str) -> None:
    """Those that the API's document tells, to the character."""
    check_profile({field: good})
    with pytest.raises(InvalidInput) as refused:
        check_profile({field: bad})
    assert [error.pointer for error in refused.value.errors] == [f"/{field}"]


def nested(levels: int) -> dict[str, object]:
    """Objects, the values in the innermost one included: `{}` has one level."""
    value: dict[str, object] = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        # 9 bytes are of the object itself; a letter of another script takes 2 in UTF-8.
        ({"a": "x" * (16 * 1024 - 9)}, {"a": "x" * (16 * 1024 - 8)}),
        ({"a": "é" * (8 * 1024 - 5)}, {"a": "é" * (8 * 1024 - 4)}),
        (nested(8), nested(9)),
        # Brackets in texts are no levels, and an escape that is spelled out is no NUL.
        ({"a": "{[" * 50}, {"a": [[[[[[[[1]]]]]]]]}),
        ({"a": ["\\u0000", {"b": "\\u0000"}]}, {"a": ["\\u0000", {"b": "\0"}]}),
        ({"\\u0000": 1}, {"a": {"\0": 1}}),
    ],
)
def test_the_bounds_of_attributes(good: dict[str, object], bad: dict[str, object]) -> None:
    """16 KiB as JSON in UTF-8, eight levels, and nothing that the database cannot store."""
    check_profile({"attributes": good})
    with pytest.raises(InvalidInput):
        check_profile({"attributes": bad})
