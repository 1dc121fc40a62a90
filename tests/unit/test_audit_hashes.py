"""The hashes of the audit trail, against values computed by hand."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.audit import canonical_json, leaf_hash, payload_hash

ID = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
MOMENT = datetime(2030, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)


def test_equal_values_have_one_form() -> None:
    """Key order and spaces make no difference; text stays UTF-8."""
    assert (
        canonical_json({"b": [1, True, None], "a": "ü"}) == '{"a":"ü","b":[1,true,null]}'.encode()
    )


@pytest.mark.parametrize("value", [1.5, {"a": [0.1]}, float("nan"), {"a": {"b": 2.0}}])
def test_floats_have_no_form(value: object) -> None:
    """PostgreSQL and Python write them differently."""
    with pytest.raises(TypeError):
        canonical_json(value)


def test_a_payload_is_hashed_behind_its_salt() -> None:
    """SHA-256(salt || canonical payload)."""
    salt = bytes(range(16))
    assert payload_hash(salt, {"a": 1}) == hashlib.sha256(salt + b'{"a":1}').digest()


def test_a_leaf_is_the_row_behind_a_zero_byte() -> None:
    """SHA-256(0x00 || canonical row), times in UTC with microseconds (RFC 6962 section 2.1)."""
    row = (
        b'{"actor":null,"id":"01890a5d-ac96-774b-bcce-b302099a8057",'
        b'"occurred_at":"2030-01-02T03:04:05.678000Z","payload_hash":"0a0b","request_id":"r",'
        b'"subject":"01890a5d-ac96-774b-bcce-b302099a8057","trace_id":null,"type":"user.created"}'
    )
    east = MOMENT.astimezone(timezone(timedelta(hours=5)))
    for moment in (MOMENT, east):
        assert (
            leaf_hash(
                id=ID,
                type="user.created",
                actor=None,
                subject=ID,
                occurred_at=moment,
                request_id="r",
                trace_id=None,
                payload_hash=b"\x0a\x0b",
            )
            == hashlib.sha256(b"\x00" + row).digest()
        )


# What is escaped, and what escapes are made of: texts that could be taken for each other.
TEXTS = st.text('"\\\n\x00\x1fnu0f1{},:é', max_size=6)


@given(TEXTS | st.text(st.characters(codec="utf-8")), TEXTS)
def test_different_texts_have_different_forms(one: str, other: str) -> None:
    """Nothing that is escaped collides with anything else, and each form reads as its text."""
    forms = [canonical_json({"a": text}) for text in (one, other)]
    assert (forms[0] == forms[1]) is (one == other)
    assert [json.loads(form) for form in forms] == [{"a": one}, {"a": other}]


def test_a_lone_surrogate_has_no_form() -> None:
    with pytest.raises(UnicodeEncodeError):
        canonical_json({"a": "\ud800"})
