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


@given(
    st.text(string.ascii_letters + string.digits + "+-_", min_size=1, max_size=20),
    st.text(string.ascii_letters, min_size=1, max_size=20),
)
def test_addresses_are_equal_in_any_case(local: str, domain: str) -> None:
    lower = EmailAddress.parse(f"{local}@{domain}.com".lower())
    upper = EmailAddress.parse(f"{local}@{domain}.com".upper())
    assert lower.normalised == upper.normalised


@given(st.text(max_size=40))
def test_no_text_breaks_the_address_parser(text: str) -> None:
    """An address or InvalidInput; what is accepted is printable ASCII with one @."""
    try:
        address = EmailAddress.parse(text)
    except InvalidInput:
        return
    assert address.value.isascii()
    assert address.value.isprintable()
    assert address.value.count("@") == 1
    assert EmailAddress.parse(address.normalised).normalised == address.normalised


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


@given(st.text(max_size=30))
def test_no_text_breaks_a_profile_rule(text: str) -> None:
    for field in ("username", "display_name", "phone", "locale", "time_zone", "picture"):
        with contextlib.suppress(InvalidInput):
            check_profile({field: text})
            assert not any(ch in text for ch in "\0\n\r\x1b")
