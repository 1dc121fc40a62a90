"""Bodies have one meaning for every reader, and cost bounded time and memory."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.errors import InvalidInput
from handler.http.body import RequestBody, Secret
from handler.http.problems import HttpProblem
from handler.http.strict_json import MAX_DEPTH, MAX_INTEGER, MAX_VALUES, parse_json

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda children: st.lists(children, max_size=5) | st.dictionaries(TEXT, children, max_size=5),
    max_leaves=30,
)


@given(value=VALUES, ascii_only=st.booleans())
def test_what_a_serialiser_writes_is_read_as_it_was(value: Any, ascii_only: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(body=st.binary(max_size=200))
def test_no_bytes_cause_anything_but_a_refusal(body: bytes) -> None:
    with contextlib.suppress(HttpProblem, InvalidInput):
        parse_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{}{}",
        b"'a'",
        b"[1,]",
        b"{'a':1}",
        b'{"a":1,"a":1}',
        b'[{"b":[{"a":1,"a":1}]}]',
        b"NaN",
        b"[Infinity]",
        b'{"a":-Infinity}',
        b"9007199254740992",
        b"-9007199254740992",
        b"1" * 5000,
        b"1e999",
        b"[-1E+400]",
        b"0." + b"1" * 5000,
        b'"\x00"',
        b'"\n"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1),
        b'[{"a":' * 17 + b"1" + b"}]" * 17,
        b"[" * 200_000,
    ],
)
def test_what_readers_disagree_about_is_refused(body: bytes) -> None:
    """RFC 8259 leaves these open or forbids them; RFC 7493 forbids them."""
    with pytest.raises(HttpProblem) as refused:
        parse_json(body)
    assert (refused.value.status_code, refused.value.kind.code) == (400, "malformed-json")


def test_the_bounds_themselves_are_allowed() -> None:
    assert parse_json(str(MAX_INTEGER).encode()) == MAX_INTEGER
    assert parse_json(str(-MAX_INTEGER).encode()) == -MAX_INTEGER
    depth = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert parse_json(depth)
    assert parse_json(b"[" + b",".join([b"{}"] * 50) + b"]") == [{}] * 50
    assert parse_json(rb'["\\u0000", "\\ud800", "[[[[", "\ud83d\ude00"]')[3] == "\U0001f600"


def test_commas_inside_strings_are_no_values() -> None:
    text = ',"a":1,' * MAX_VALUES
    assert parse_json(json.dumps({"a": text}).encode()) == {"a": text}


def test_brackets_inside_strings_are_no_levels() -> None:
    text = '"' + "[{" * 100 + '\\"' + "[" * 100
    assert parse_json(json.dumps({"a": text}).encode()) == {"a": text}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (rb'"\u0000"', ""),
        (rb'{"a/b~":{"c":["x","\ud800"]}}', "/a~1b~0/c/1"),
        (rb'{"a":{"b\u0000":1}}', "/a"),
        (rb'["\udfff\ud800"]', "/0"),
    ],
)
def test_text_that_cannot_be_stored_is_refused_at_its_place(body: bytes, pointer: str) -> None:
    """NUL does not exist in PostgreSQL's text, nor lone surrogates in UTF-8."""
    with pytest.raises(InvalidInput) as refused:
        parse_json(body)
    assert [error.pointer for error in refused.value.errors] == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b",".join([b"[]"] * 87_000) + b"]",
        b"[]" * 131_000,
        b'"' + b'\\"' * 131_000,
        b"[" * 40 + b'"' * 262_000,
        b"[1e1," + b",".join([b"1"] * 131_000) + b"]",
        b"[" + b",".join([rb'"\ud83d\ude00"'] * 17_000) + b"]",
        b"[" + b",".join([b"[" * 31 + b"]" * 31] * 4_100) + b"]",
        b"{" + b",".join(b'"%d":0' % n for n in range(25_000)) + b"}",
    ],
)
def test_the_costliest_bodies_take_a_fraction_of_a_second(body: bytes) -> None:
    """Linear time: a quadratic reader would need minutes for some of these."""
    seconds = []
    for _ in range(3):
        started = time.process_time()
        with contextlib.suppress(HttpProblem):
            parse_json(body)
        seconds.append(time.process_time() - started)
    assert min(seconds) < 1


def test_a_body_shows_nothing_of_itself_in_logs() -> None:
    """Tracebacks and debuggers print the repr of what they meet."""

    class Body(RequestBody):
        password: Secret

    body = Body(password="correct horse battery staple")
    assert "horse" not in f"{body!r} {body}"


def test_a_fault_shows_nothing_of_a_body() -> None:
    """Of a model on its own, as an exception in a log would show it."""

    class Body(RequestBody):
        password: Secret

    for body in ({"password": 271828}, {"password": "pi", "other": 271828}):
        with pytest.raises(ValidationError) as refused:
            Body.model_validate(body)
        assert "271828" not in str(refused.value)
